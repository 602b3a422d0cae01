/*
 * A kernel that changes its page tables in every way that there is, by one store that does it again and again, and looks at each time at what it mapped. Memory is mapped one to one; the tables that it
 * changes map what is from 0x40000000 on. With a0 not 0 it writes over the last page of all addresses first,
 * where it has mapped nothing: a0 is where chance begins.
 */
#include "probe.h"

#define REGION 0x40000000ul
#define OPEN 0xc7ul /* V R W A D */
#define CLOSED 0xc3ul /* V R A D */
#define ADDI_A0 0x513ul
#define RET 0x8067ul
#define TABLE __attribute__((aligned(4096)))

static u64 root[512] TABLE, middle[512] TABLE, last[512] TABLE, upper[512] TABLE, other[512] TABLE, one[512] TABLE, two[512] TABLE;

static u64 leaf(u64 *page, u64 bits) { return (u64)page >> 12 << 10 | bits; }
static u64 table(u64 *page) { return leaf(page, 1); }
static void fence(void) { __asm__ volatile("sfence.vma" ::: "memory"); }
static u64 at(u64 page) { return *(volatile u64 *)(REGION + page * PAGE); }
__attribute__((noinline)) static void set(volatile u64 *entry, u64 value) { *entry = value; }
__attribute__((noinline)) static void set_half(volatile u32 *half, u32 value) { *half = value; }
__attribute__((noinline)) static void set_byte(volatile u8 *byte, u8 value) { *byte = value; }

static void line(const char *name, u64 value) {
  say_hex(name, value);
  REG8(UART) = '\n';
}

/* One page in turns, and more entries without a fence than a log holds, at one place and at many. */
static void flip(void) {
  u64 sum = 0;
  for (u64 index = 0; index < 40; index++) {
    set(&last[0], leaf(index % 3 ? one : two, OPEN));
    fence();
    sum += at(0);
  }
  line("in turns", sum);
  for (u64 index = 0; index < 600; index++) set(&last[1], leaf(index & 1 ? one : two, OPEN));
  fence();
  line("at one place", at(1));
  for (u64 round = 0; round < 2; round++)
    for (u64 index = 0; index < 490; index++) set(&last[index], leaf((index + round) & 1 ? one : two, OPEN));
  fence();
  for (u64 index = 0; index < 490; index += 7) sum = sum * 3 + at(index);
  line("without fences", sum);
}

/* By halves and bytes, and by a word that is half of one entry and half of the next. */
static void parts(void) {
  for (u64 index = 0; index < 20; index++) {
    set_half((volatile u32 *)&last[1], (u32)leaf(index & 1 ? one : two, OPEN));
    set_byte((volatile u8 *)&last[2], index & 1 ? OPEN : CLOSED);
    fence();
  }
  line("a half", at(1));
  set_byte((volatile u8 *)&last[2], CLOSED);
  fence();
  TRY("li a0, 0x40002000\n sd zero, 0(a0)");
  set((volatile u64 *)((u64)&last[3] + 4), leaf(one, OPEN) << 32);
  set((volatile u64 *)((u64)&last[3] + 4), 0);
  fence();
  TRY("li a0, 0x40004000\n ld a1, 0(a0)");
}

/* The table through itself, until it has closed itself. */
static void itself(void) {
  volatile u64 *window = (volatile u64 *)(REGION + 500 * PAGE);
  set(&last[500], leaf(last, OPEN));
  fence();
  for (u64 index = 0; index < 40; index++) set(&window[5], leaf(index & 1 ? one : two, OPEN));
  fence();
  line("through itself", at(5));
  set(&window[500], leaf(last, CLOSED));
  fence();
  TRY("li a0, 0x401f4000\n sd zero, 40(a0)");
  line("is left", at(5));
}

/* What is a table of the lowest level becomes one of the level above, too. */
static void above(void) {
  root[3] = table(last);
  fence();
  for (u64 index = 0; index < 20; index++) {
    set(&last[9], table(index & 1 ? upper : other));
    fence();
    line("above", *(volatile u64 *)(0xc0000000ul + (9ul << 21)));
  }
  root[3] = 0;
  fence();
}

/* Code in the same page as entries: what is written is run at once. */
static void code(void) {
  u64 sum = 0;
  for (u64 index = 0; index < 20; index++) {
    set(&last[300], RET << 32 | ADDI_A0 | (index + 1) << 20);
    set(&last[6], leaf(index & 1 ? one : two, OPEN));
    fence();
    sum = sum * 3 + ((u64(*)(void))&last[300])() + at(6);
  }
  line("code", sum);
}

/* Where a monitor that translates keeps its log, where that goes on, and which stores go where: by chance, with addresses of the monitor's own among them. */
static void scribble(u64 seed) {
  volatile u64 *words = (volatile u64 *)-PAGE;
  for (u64 word = 0; word < 512; word++) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    u64 value = seed & 1 ? seed : seed | 0xfffffffffe000000;
    if (word < 256 || (word == 353 && seed & 2)) words[word] = value;
    if (word >= 448) words[word] = word & 1 ? value : (u64)last;
  }
}

void main(u64 seed) {
  start_traps();
  root[0] = OPEN;
  root[1] = table(middle);
  root[2] = leaf((u64 *)MEMORY, OPEN | 8);
  middle[0] = table(last);
  upper[0] = leaf(one, OPEN);
  other[0] = leaf(two, OPEN);
  one[0] = 1;
  two[0] = 2;
  __asm__ volatile("csrw satp, %0\n sfence.vma" ::"r"(8ul << 60 | (u64)root >> 12) : "memory");
  if (seed) {
    for (u64 index = 0; index < 20; index++) set(&last[0], leaf(one, OPEN));
    scribble(seed);
  }
  flip();
  parts();
  itself();
  above();
  code();
  switch_off();
}
