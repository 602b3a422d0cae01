/* Time, memory and words of programs; see user.h. Memory comes in sizes of powers of two and is kept for the next of that size. */
#include "user.h"

u64 time_now(void) {
  u64 time;
  asm volatile("rdtime %0" : "=r"(time));
  return time;
}

struct chunk { u64 class; struct chunk *next; };
static struct chunk *kept[40];
static u64 heap_at, heap_end;

void *allocate(u64 bytes) {
  u64 class = 5;
  while ((1ul << class) < bytes + 16) class++;
  struct chunk *chunk = kept[class];
  if (chunk != NULL) kept[class] = chunk->next;
  else {
    u64 size = 1ul << class;
    if (heap_at + size > heap_end) {
      u64 more = (size + 16 * PAGE - 1) / (16 * PAGE) * (16 * PAGE);
      i64 start = call(CALL_SBRK, more);
      if (start < 0) return NULL;
      if ((u64)start != heap_end) heap_at = (u64)start;
      heap_end = (u64)start + more;
    }
    chunk = (struct chunk *)heap_at;
    heap_at += size;
  }
  chunk->class = class;
  return chunk + 1;
}

void release(void *memory) {
  if (memory == NULL) return;
  struct chunk *chunk = (struct chunk *)memory - 1;
  chunk->next = kept[chunk->class];
  kept[chunk->class] = chunk;
}

void say(const char *pattern, ...) {
  char line[240];
  __builtin_va_list values;
  __builtin_va_start(values, pattern);
  u64 length = formatv(line, sizeof line, pattern, values);
  __builtin_va_end(values);
  call(CALL_WRITE, line, length);
}

u64 argument_number(const char *name, u64 otherwise) {
  char padded[32] = {0}, value[24];
  format(padded, sizeof padded, "%s", name);
  if (call(CALL_ARGUMENT, padded, value, sizeof value) <= 0) return otherwise;
  const char *text = value;
  return number(&text);
}
