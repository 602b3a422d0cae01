/* A ported kernel that asks for what is not its own: mappings of other memory, by each call that takes an address. It says what came of each. */
#include "../io/rings.h"
#include "../pages/machine.h"

extern u64 hypercall(u64 number, u64 a0, u64 a1, u64 a2, u64 a3);
extern void trap_entry(void);
u64 offset, linear, first_root;

static struct {
  u64 address, value;
} list[2] __attribute__((aligned(4096)));
static u64 table[512] __attribute__((aligned(4096)));
static struct console_ring ring __attribute__((aligned(4096)));

static struct disk_ring disk __attribute__((aligned(4096)));
static struct net_ring net __attribute__((aligned(4096)));

static void put(char byte) {
  ring.data[ring.put % 2048] = byte;
  ring.put++;
  if (byte == '\n') hypercall(7, 0, 0, 0, 0);
}

static void say(const char *text) {
  while (*text) put(*text++);
}

static void tell(const char *what, int is_refused) {
  say(what);
  say(is_refused ? ": refused\n" : ": done\n");
}

static u64 machine_of(void *at) { return (u64)at + offset; }
static u64 linear_entry(void *page) { return linear + ((u64)page - 0x80000000) / 4096 * 8; }

static u64 ask(u64 address, u64 value) {
  list[0].address = address;
  list[0].value = value;
  return hypercall(1, (u64)list, 1, 0, 0);
}

/* How one request of the disk went. */
static u64 transfer(u64 kind, u64 address) {
  u64 at = disk.put % REQUESTS;
  disk.requests[at].kind = kind;
  disk.requests[at].sector = 0;
  disk.requests[at].address = address;
  disk.put++;
  hypercall(7, 1, 0, 0, 0);
  return disk.requests[at].state;
}

/* A leaf that would map a page of the machine, to be read and written. */
static u64 leaf(u64 machine) { return (machine >> 12 << 10) | 0xd7; }

u64 trap(u64 cause, u64 pc, u64 value, u64 *registers) {
  (void)value;
  (void)registers;
  say(cause == 13 ? "a load of it: page fault\n" : cause == 15 ? "a store to it: page fault\n" : "a trap\n");
  return pc + 4;
}

void main(u64 memory) {
  u64 first = machine_of((void *)0x80000000), entry = linear_entry(table);
  hypercall(2, (u64)trap_entry, 0, 0, 0);
  hypercall(6, (u64)&ring, 0, 0, 0);
  tell("the page before its memory", ask(entry, leaf(first - 4096)) == 0);
  tell("the page after its memory", ask(entry, leaf(first + memory)) == 0);
  tell("the monitor's first page", ask(entry, leaf(0x80000000)) == 0);
  tell("the serial port", ask(entry, leaf(UART)) == 0);
  tell("a page beyond all memory", ask(entry, leaf(0xfffffffffff000)) == 0);
  tell("all of memory as one page", ask(first_root + 16, leaf(0x80000000)) == 0);
  tell("an entry of the monitor's", ask(0x80001000, leaf(first)) == 0);
  table[3] = leaf(first - 4096);
  tell("its own page to be read only", ask(entry, leaf(machine_of(table)) & ~4ul) == 0);
  tell("a table that has such an entry", ask(machine_of(table) | 1, 0) == 0);
  tell("a table in the monitor's memory", ask(0x80001001, 0) == 0);
  tell("roots in the monitor's memory", hypercall(3, 0x80001000, 0, 0, 0) == ~0ul);
  tell("a program's root there", hypercall(3, first_root, 0x80001000, 0, 0) == ~0ul);
  tell("a list there", hypercall(1, 0x70000000, 1, 0, 0) == 0);
  tell("a list across pages", hypercall(1, (u64)list + 4088, 1, 0, 0) == 0);
  tell("a program without tables", hypercall(4, 0, 0, 0, 0) == ~0ul);
  tell("a call that there is not", hypercall(99, 0, 0, 0, 0) == ~0ul);
  __asm__ volatile(".option push\n.option norvc\nlui a0, 0x70000\nld a1, 0(a0)\nsd a1, 0(a0)\n.option pop" ::: "a0", "a1", "memory");
  hypercall(6, 0x70000000, 0, 0, 0);
  u64 drained = hypercall(7, 0, 0, 0, 0);
  hypercall(6, (u64)&ring, 0, 0, 0);
  tell("a ring there", drained == ~0ul);
  hypercall(6, (u64)&disk, 1, 0, 0);
  tell("a sector into a table", transfer(1, linear - offset) != 1);
  tell("a sector from a table", transfer(2, linear - offset) != 1);
  tell("a sector into memory that is not mapped", transfer(1, 0x70000000) != 1);
  tell("a sector into its own page", transfer(1, (u64)list) != 1);
  hypercall(6, (u64)&net, 2, 0, 0);
  net.out[0].address = 0x70000000;
  net.out[0].length = 64;
  net.in[0].address = linear - offset;
  net.put = net.offered = 1;
  hypercall(7, 2, 0, 0, 0);
  tell("a frame from there, and one into a table", net.taken == 1 && net.filled == 0);
  tell("a device that there is not", hypercall(6, (u64)&net, 3, 0, 0) == ~0ul && hypercall(7, 3, 0, 0, 0) == ~0ul);
  hypercall(8, 0, 0, 0, 0);
}
