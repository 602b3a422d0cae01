/*
 * A kernel that uses its memory oddly, by a0: 0 takes a pointer to a table away but for its lowest bit, and by other bits, 1 stores words of which the second half is in a table, 2 stores to a table by a long run
 * of code, 3 looks at its memory in more ways than can be kept, 4 jumps to where it has mapped nothing, 5 maps a device and takes it away again.
 */
#include "probe.h"

#define REGION 0x40000000ul
#define OPEN 0xc7ul /* V R W A D */
#define CLOSED 0xc3ul /* V R A D */
#define TABLE __attribute__((aligned(4096)))

static u64 root[512] TABLE, middle[512] TABLE, two_pages[2][512] TABLE, one[512] TABLE, two[512] TABLE;
static u64 *const before = two_pages[0], *const last = two_pages[1];

static u64 leaf(u64 *page, u64 bits) { return (u64)page >> 12 << 10 | bits; }
static u64 table(u64 *page) { return leaf(page, 1); }
static void fence(void) { __asm__ volatile("sfence.vma" ::: "memory"); }
static u64 at(u64 page) { return *(volatile u64 *)(REGION + page * PAGE); }

static void line(const char *name, u64 value) {
  say_hex(name, value);
  REG8(UART) = '\n';
}

static void pointers(void) {
  static const u64 bits[] = {0, 1, 0x11, 0x41, 0x81, 5, 3, 0xc7, 1ul << 54 | 1, 1};
  last[1] = leaf(one, OPEN);
  fence();
  for (u64 index = 0; index < sizeof bits / sizeof *bits; index++) {
    line("read", at(1));
    middle[0] = leaf(last, bits[index]);
    fence();
    line("bits", bits[index]);
    TRY("li a0, 0x40001000\n ld a1, 0(a0)");
    TRY("li a0, 0x40001000\n sd zero, 8(a0)");
    middle[0] = table(last);
    fence();
  }
}

/* One store that is not at a multiple of its size: the first half goes into a page that is no table. */
__attribute__((noinline)) static void store_across(u64 value) {
  __asm__ volatile("sd %0, -4(%1)" ::"r"(value), "r"(last) : "memory");
}

static void halves(void) {
  for (u64 index = 0; index < 2; index++) {
    store_across(leaf(index & 1 ? one : two, OPEN) << 32 | 0x11111111);
    fence();
    line("before", before[511]);
    line("entry", last[0]);
    line("leads to", at(0));
  }
}

__attribute__((noinline)) static u64 run_of_stores(u64 *entry, u64 value) {
  u64 place;
  __asm__ volatile(
    ".option push\n.option norvc\n.balign 4096\nauipc %0, 1\n"
    ".set step, 0\n.rept 23\nsd %2, step(%1)\n.set step, step + 8\n.endr\n.option pop"
    : "=&r"(place) : "r"(entry), "r"(value) : "memory");
  return place;
}

static void run(void) {
  for (u64 index = 0; index < 40; index++) {
    line("place", run_of_stores(last, leaf(index & 1 ? one : two, OPEN)));
    fence();
    line("leads to", at(22));
  }
}

static void ways(u64 mode) {
  for (u64 index = 0; index < 6000; index++)
    __asm__ volatile("csrw satp, %0" ::"r"(mode | (index & 0xffff) << 44 | (u64)root >> 12));
  __asm__ volatile("csrw satp, zero");
  line("looked", 6000);
}

static void nowhere(void) {
  TRY("li a0, 0xfffffffffe000000\n jalr a0");
  TRY("li a0, 0xfffffffffe000004\n jalr a0");
  TRY("li a0, 0xfffffffffe000040\n jalr a0");
  TRY("li a0, 0xfffffffffe0ffffe\n jalr a0");
  TRY("li a0, 0xfffffffffffff000\n jalr a0");
  TRY("li a0, -2\n jalr a0");
  TRY("li a0, 0x100000000000000\n jalr a0");
}

/* The serial port, at another address, to be read only, then not at all; and a word of which the second half is there. */
static void port(void) {
  last[0] = leaf(one, OPEN);
  last[1] = leaf((u64 *)UART, OPEN);
  fence();
  TRY("li a0, 0x40001000\n lb a1, 5(a0)\n li a1, 46\n sb a1, 0(a0)");
  TRY("li a0, 0x40000ffc\n ld a1, 0(a0)");
  TRY("li a0, 0x40000ffe\n sw a1, 0(a0)");
  TRY("li a0, 0x40001ffe\n lw a1, 0(a0)");
  TRY("li a0, 0x40001004\n sw a1, 0(a0)\n lw a1, 1(a0)");
  last[1] = leaf((u64 *)UART, CLOSED);
  fence();
  TRY("li a0, 0x40001000\n lb a1, 5(a0)");
  TRY("li a0, 0x40001000\n sb a1, 0(a0)");
  last[1] = leaf(two, OPEN);
  fence();
  line("not a port", at(1));
  last[1] = 0;
  fence();
  TRY("li a0, 0x40001000\n lb a1, 5(a0)");
}

void main(u64 what, u64 paged) {
  start_traps();
  root[0] = OPEN;
  root[1] = table(middle);
  root[2] = leaf((u64 *)MEMORY, OPEN | 8);
  middle[0] = table(last);
  one[0] = 1;
  two[0] = 2;
  if (paged) __asm__ volatile("csrw satp, %0\n sfence.vma" ::"r"(8ul << 60 | (u64)root >> 12) : "memory");
  if (what == 0) pointers();
  if (what == 1) halves();
  if (what == 2) run();
  if (what == 3) ways(paged << 63);
  if (what == 4) nowhere();
  if (what == 5) port();
  switch_off();
}
