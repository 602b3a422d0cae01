/*
 * The port of the machine's part to a monitor that is called: tables are written by lists of updates, the console is a ring. Its first lists ask for what it must
 * not have, and it says how many of them were refused. With WRITABLE entries that map pages are plain stores, and the monitor looks at them when they are used. The calls are in
 * pkg/vmm/monitor/paravirtual.ts.
 */
#include "machine.h"

#define LIST 4096
#define RING 2048

extern u64 hypercall(u64 number, u64 a0, u64 a1, u64 a2, u64 a3);
void say(const char *text);

struct update {
  u64 address, value;
};
static struct update list[LIST] __attribute__((aligned(4096)));
static struct {
  volatile u64 put, taken;
  volatile u8 data[RING];
} ring __attribute__((aligned(4096)));
static u64 count, kernel_root;
/* From start.S: where memory lies in the machine, and the tables that map it. */
u64 offset, linear, first_root;

static u64 machine_of(void *at) { return (u64)at + offset; }

u64 pointer_to(u64 *table) { return (machine_of(table) >> 12 << 10) | 1; }
u64 entry_of(u64 page, u64 bits) { return (machine_of((void *)page) >> 12 << 10) | bits | 0xd0; }

void flush_entries(void) {
  if (count > 0 && hypercall(1, (u64)list, count, 0, 0) != count) {
    say("an update was refused\n");
    switch_off(2);
  }
  count = 0;
}

static void add(u64 address, u64 value) {
  list[count].address = address;
  list[count++].value = value;
  if (count == LIST) flush_entries();
}

void set_entry(u64 *entry, u64 value) {
#ifdef WRITABLE
  if (value & 0xe) {
    *(volatile u64 *)entry = value;
    return;
  }
#endif
  add(machine_of(entry), value);
}

static u64 linear_entry(void *page) { return linear + ((u64)page - 0x80000000) / 4096 * 8; }

/* The page loses its writable mapping before it becomes a table. */
void make_table(u64 *page, int level) {
  add(linear_entry(page), (machine_of(page) >> 12 << 10) | 0xd3);
  add(machine_of(page) | 1, level);
}

static int is_refused(u64 address, u64 value) {
  list[0].address = address;
  list[0].value = value;
  return hypercall(1, (u64)list, 1, 0, 0) == 0;
}

/* A page of the monitor or of another machine, a table that could be written, an entry of what is no table, a big page. */
static int refused(void) {
  u64 entry = linear_entry(list);
  u64 foreign = (machine_of((void *)0x80000000) - 4096) >> 12 << 10;
  return is_refused(entry, foreign | 0xd7) + is_refused(entry, (linear >> 12 << 10) | 0xd7) +
         is_refused(machine_of(list), 0) + is_refused(first_root + 16, (machine_of((void *)0x80000000) >> 12 << 10) | 0xdf);
}

u64 *set_up(u64 (*take)(void), void (*vector)(void)) {
  (void)take;
  kernel_root = first_root;
  hypercall(2, (u64)vector, 0, 0, 0);
  hypercall(6, (u64)&ring, 0, 0, 0);
#ifdef WRITABLE
  hypercall(9, 1, 0, 0, 0);
#endif
  say("refused ");
  put_byte('0' + refused());
  put_byte('\n');
  return (u64 *)(kernel_root - offset);
}

void map_user(u64 *root, u64 code, u64 stack, u64 (*take)(void)) {
  u64 *top = (u64 *)take();
  u64 *middle = (u64 *)take();
  u64 *last = (u64 *)take();
  (void)root;
  last[0] = entry_of(code, 0x5b);
  last[256] = entry_of(stack, 0xd7);
  middle[0] = pointer_to(last);
  top[USER_CODE >> 30] = pointer_to(middle);
  make_table(last, 0);
  make_table(middle, 1);
  make_table(top, 2);
  flush_entries();
  if (hypercall(3, kernel_root, machine_of(top), 0, 0) != 0) switch_off(3);
}

/* It has no such register: what its program's pages are to it is in its tables. */
u64 set_status(void) { return 1; }

/* The other half is told at the end of a line, and when there is no more room. */
void put_byte(char byte) {
  ring.data[ring.put % RING] = byte;
  ring.put++;
  if (byte == '\n' || ring.put - ring.taken == RING) hypercall(7, 0, 0, 0, 0);
}

void switch_off(int code) {
  hypercall(8, code, 0, 0, 0);
  for (;;);
}
