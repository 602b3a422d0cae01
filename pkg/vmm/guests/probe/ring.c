/*
 * Gives its monitor rings that are none of its own (a0 is 0 to 4): the page before its memory, the page after it, an address within a page, none at all, and a ring that says that it holds
 * more than it can. Each is told of, and the guest goes on with the serial port. With 5 the ring is in the page with its own code. With 6 it asks its disk for what it may not have, and with 7 its network; it
 * says what came of each.
 */
#include "../io/rings.h"

#define RING_PAGE (*(volatile u64 *)0x10002000ul)
#define RING_BELL REG32(0x10002008ul)

static struct console_ring ring __attribute__((aligned(4096)));
extern char _start[];

static void say(const char *text) {
  while (*text) REG8(UART) = *text++;
}

static struct disk_ring disk __attribute__((aligned(4096)));
static struct net_ring net __attribute__((aligned(4096)));
static u8 pages[8192] __attribute__((aligned(4096)));

static void number(u64 value) { REG8(UART) = value < 10 ? '0' + value : '?'; }

static void request(u64 kind, u64 sector, u64 address) {
  u64 at = disk.put % REQUESTS;
  disk.requests[at].kind = kind;
  disk.requests[at].sector = sector;
  disk.requests[at].address = address;
  disk.put++;
}

static void ask_disk(u64 memory) {
  u64 where[] = {0x7ffff000, 0x80000000 + memory, (u64)pages + 4, (u64)pages + 4096 - 256, 0, ~0ul, 0x10000000};
  *(volatile u64 *)0x10002010ul = (u64)&disk;
  for (u64 kind = 1; kind < 3; kind++)
    for (u64 index = 0; index < sizeof where / sizeof *where; index++) request(kind, 0, where[index]);
  request(1, 64, (u64)pages);
  request(2, ~0ul, (u64)pages);
  request(3, 0, (u64)pages);
  request(2, 63, (u64)pages);
  /* Over the answers themselves: they are what the last sector was read as, but for its own. */
  request(1, 63, (u64)&disk.requests[8]);
  u64 put = disk.put;
  disk.put = 1ul << 40 | put;
  REG32(0x10002018ul) = 1;
  for (u64 index = 0; index < put; index++) number(disk.requests[index].state);
  say("\n");
  number(disk.answered == put);
}

static void ask_net(u64 memory) {
  *(volatile u64 *)0x10002020ul = (u64)&net;
  u64 where[] = {0x7ffff000, 0x80000000 + memory, (u64)pages, (u64)pages, (u64)pages + 4090, (u64)pages};
  u64 lengths[] = {64, 64, 13, 1515, 64, 64};
  for (u64 index = 0; index < 6; index++) {
    net.out[index].address = where[index];
    net.out[index].length = lengths[index];
  }
  net.in[0].address = 0x80000000 + memory;
  net.in[1].address = (u64)pages + 4096;
  net.put = 6;
  net.offered = 1;
  REG32(0x10002028ul) = 1;
  number(net.taken);
  number(net.filled);
  net.in[0].address = (u64)pages + 4096;
  net.offered = 1000;
  net.put = 1ul << 40;
  REG32(0x10002028ul) = 1;
  number(net.filled);
  say("\n");
  number(net.taken - 16);
}

void main(u64 what, u64 memory) {
  u64 where[] = {0x7ffff000, 0x80000000 + memory, (u64)&ring + 8, 0, (u64)&ring, (u64)_start};
  say("told\n");
  if (what >= 6) {
    if (what == 6) ask_disk(memory);
    else ask_net(memory);
    say("\n");
    REG32(FINISHER) = 0x5555;
    for (;;);
  }
  if (what == 4) ring.put = 1ul << 40 | 5000;
  if (what != 3) RING_PAGE = where[what];
  RING_BELL = 1;
  if (what == 4) say("\n");
  say("goes on\n");
  REG32(FINISHER) = 0x5555;
  for (;;);
}
