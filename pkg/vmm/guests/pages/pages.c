/*
 * A kernel for comparing monitors. Parameters: how many entries of page tables it writes (a0; at most 262,144, which map 1 GiB), how often it touches a page of what
 * they map (a1), over how many pages it spreads that (a2), and how many system calls its program makes (a3). Says what came of each, and switches itself off.
 */
#include "../common/types.h"
#include "machine.h"

#define REGION 0x3000000000ul
#define TABLES 512
#define DATA_PAGES 16
#define LEAF 0xc7 /* V R W A D */

extern char end_of_image[];
extern char user_program[];
extern void trap_entry(void);
extern u64 enter_user(u64 pc, u64 sp, u64 argument);
extern void leave_user(u64 value) __attribute__((noreturn));

static u64 *tables[TABLES];
static u64 next_page;
static u64 faults;

static u64 take_page(void) {
  u64 page = next_page;
  next_page += 4096;
  return page;
}

void say(const char *text) {
  while (*text) put_byte(*text++);
}

static void say_number(const char *name, u64 value) {
  char digits[20];
  int count = 0;
  say(name);
  do {
    digits[count++] = '0' + value % 10;
    value /= 10;
  } while (value);
  while (count) put_byte(digits[--count]);
  put_byte('\n');
}

/* Links tables for the region, all at once and before any of them is used. */
static void make_region(u64 *root, u64 count) {
  u64 *middle = (u64 *)take_page();
  u64 wanted = (count + 511) / 512;
  make_table(middle, 1);
  for (u64 index = 0; index < wanted; index++) {
    tables[index] = (u64 *)take_page();
    make_table(tables[index], 0);
    set_entry(&middle[index], pointer_to(tables[index]));
  }
  set_entry(&root[REGION >> 30], pointer_to(middle));
  flush_entries();
}

static void fill_region(u64 count, u64 data) {
  for (u64 index = 0; index < count; index++) {
    u64 page = data + (index % DATA_PAGES) * 4096;
    set_entry(&tables[index >> 9][index & 511], entry_of(page, LEAF));
  }
  flush_entries();
}

static u64 touch_region(u64 times, u64 spread) {
  u64 sum = 0, page = 0;
  for (u64 index = 0; index < times; index++) {
    volatile u64 *word = (volatile u64 *)(REGION + page * 4096 + (index & 511) * 8);
    *word += index;
    sum += *word;
    page += 1;
    if (page >= spread) page = 0;
  }
  return sum;
}

/* Of the program: 1 asks for a number's square, 0 ends it. A breakpoint is skipped; anything else is the end. */
u64 trap(u64 cause, u64 pc, u64 value, u64 *registers) {
  (void)value;
  if (cause == 8 && registers[17] == 1) {
    registers[10] *= registers[10];
    return pc + 4;
  }
  if (cause == 8 && registers[17] == 0) leave_user(registers[10]);
  faults++;
  if (cause == 3 || cause == 2) return pc + 4;
  say_number("trap ", cause);
  switch_off(1);
}

void main(u64 updates, u64 touches, u64 spread, u64 syscalls) {
  next_page = ((u64)end_of_image + 4095) & ~4095ul;
  u64 *root = set_up(take_page, trap_entry);
  say("pages\n");
  u64 data = next_page;
  next_page += DATA_PAGES * 4096;
  u64 user_stack = take_page();
  map_user(root, (u64)user_program, user_stack, take_page);
  if (updates > TABLES * 512) updates = TABLES * 512;
  if (spread == 0 || spread > updates) spread = updates;
  if (updates > 0) {
    make_region(root, updates);
    fill_region(updates, data);
    say_number("entries ", updates);
    say_number("sum ", touch_region(touches, spread));
  }
  __asm__ volatile(".option push\n.option norvc\nebreak\n.option pop");
  say_number("faults ", faults);
  say_number("status ", set_status());
  say_number("answer ", enter_user(USER_CODE, USER_STACK + 4096, syscalls));
  switch_off(0);
}
