/*
 * A ported kernel that writes its tables by plain stores, and into one of them what a0 says: 0 what is allowed, 1 the page before its memory, 2 a table that could be written, 3 a pointer where
 * pages are mapped, 4 what is allowed, asked for by a list right after it. It then reaches what it mapped, and says what it found there. With 5 it writes the table that maps itself, with 6 that of its
 * own code, with 7 it gives tables back, with 8 it writes three tables in turn.
 */
#include "../pages/machine.h"

#define REGION 0x3000000000ul
#define TABLES 3

extern u64 hypercall(u64 number, u64 a0, u64 a1, u64 a2, u64 a3);
extern void trap_entry(void);
u64 offset, linear, first_root;

static struct {
  u64 address, value;
} list[4] __attribute__((aligned(4096)));
static u64 middle[512] __attribute__((aligned(4096)));
static u64 tables[TABLES][512] __attribute__((aligned(4096)));
static volatile u64 data[512] __attribute__((aligned(4096)));
static struct {
  volatile u64 put, taken;
  volatile u8 data[2048];
} ring __attribute__((aligned(4096)));

static void put(char byte) {
  ring.data[ring.put % 2048] = byte;
  ring.put++;
  if (byte == '\n') hypercall(7, 0, 0, 0, 0);
}

static void say(const char *text) {
  while (*text) put(*text++);
}

static u64 machine_of(volatile void *at) { return (u64)at + offset; }
static u64 linear_entry(volatile void *page) { return linear + ((u64)page - 0x80000000) / 4096 * 8; }
static u64 leaf(u64 machine) { return (machine >> 12 << 10) | 0xd7; }
static u64 pointer(u64 machine) { return (machine >> 12 << 10) | 1; }

static u64 ask(u64 address, u64 value) {
  list[0].address = address;
  list[0].value = value;
  return hypercall(1, (u64)list, 1, 0, 0);
}

static void make_table_of(u64 *page, int level) {
  ask(linear_entry(page), leaf(machine_of(page)) & ~4ul);
  say(ask(machine_of(page) | 1, level) == 1 ? "a table\n" : "no table\n");
}

u64 trap(u64 cause, u64 pc, u64 value, u64 *registers) {
  (void)value;
  (void)registers;
  say(cause == 15 ? "a store: page fault\n" : cause == 13 ? "a load: page fault\n" : "a trap\n");
  return pc + 4;
}

static void store(u64 *entry, u64 value) { __asm__ volatile(".option push\n.option norvc\nsd %1, 0(%0)\n.option pop" ::"r"(entry), "r"(value) : "memory"); }

static u64 load(u64 at) {
  u64 value;
  __asm__ volatile(".option push\n.option norvc\nli %0, 0\nld %0, 0(%1)\n.option pop" : "=&r"(value) : "r"(at) : "memory");
  return value;
}

static void tell(u64 table) { say(load(REGION + (table << 21)) == 77 ? "what is there\n" : "nothing\n"); }

static void give_back(void) {
  say(ask(machine_of(tables[0]) | 1, ~0ul) == 1 ? "in use: given back\n" : "in use: refused\n");
  say(ask(first_root | 1, ~0ul) == 1 ? "the root: given back\n" : "the root: refused\n");
  ask(machine_of(middle), 0);
  say(ask(machine_of(tables[0]) | 1, ~0ul) == 1 ? "given back\n" : "refused\n");
  say(ask(machine_of(tables[0]) | 1, ~0ul) == 1 ? "again: given back\n" : "again: refused\n");
  ask(linear_entry(tables[0]), leaf(machine_of(tables[0])));
  tables[0][0] = 5;
  say(tables[0][0] == 5 ? "written\n" : "lost\n");
}

void main(u64 what) {
  data[0] = 77;
  hypercall(2, (u64)trap_entry, 0, 0, 0);
  hypercall(6, (u64)&ring, 0, 0, 0);
  for (u64 index = 0; index < TABLES; index++) make_table_of(tables[index], 0);
  for (u64 index = 0; index < TABLES; index++) middle[index] = pointer(machine_of(tables[index]));
  make_table_of(middle, 1);
  ask(first_root + (REGION >> 30) * 8, pointer(machine_of(middle)));
  store(&tables[0][0], leaf(machine_of(data)));
  say(hypercall(9, 1, 0, 0, 0) == 0 ? "stores are taken\n" : "stores are not taken\n");
  u64 first = machine_of((void *)0x80000000);
  if (what == 0 || what == 4) store(&tables[0][0], leaf(machine_of(data)));
  if (what == 1) store(&tables[0][0], leaf(first - 4096));
  if (what == 2) store(&tables[0][0], leaf(machine_of(tables[1])));
  if (what == 3) store(&tables[0][0], pointer(machine_of(tables[1])));
  if (what == 4) say(ask(machine_of(&tables[1][0]), leaf(machine_of(data))) == 1 ? "asked for\n" : "refused\n");
  /* The entries of both are as they were: all that is wrong with them is where they are. */
  if (what == 5) {
    ask(linear_entry(data), leaf(linear) & ~4ul);
    store((u64 *)data, load((u64)data));
  }
  if (what == 6) store(&middle[0], middle[0]);
  if (what == 7) give_back();
  if (what == 8) {
    for (u64 index = 0; index < 2 * TABLES; index++) store(&tables[index % TABLES][index / TABLES], leaf(machine_of(data)));
    for (u64 index = 0; index < TABLES; index++) tell(index);
  }
  tell(0);
  hypercall(8, 0, 0, 0, 0);
}
