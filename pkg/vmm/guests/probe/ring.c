/*
 * Gives its monitor rings that are none of its own (a0 is 0 to 4): the page before its memory, the page after it, an address within a page, none at all, and a ring that says that it holds
 * more than it can. Each is told of, and the guest goes on with the serial port. With 5 the ring is in the page with its own code.
 */
#include "../io/output.h"

#define RING_PAGE (*(volatile u64 *)0x10002000ul)
#define RING_BELL REG32(0x10002008ul)

static struct ring ring __attribute__((aligned(4096)));
extern char _start[];

static void say(const char *text) {
  while (*text) REG8(UART) = *text++;
}

void main(u64 what, u64 memory) {
  u64 where[] = {0x7ffff000, 0x80000000 + memory, (u64)&ring + 8, 0, (u64)&ring, (u64)_start};
  say("told\n");
  if (what == 4) ring.put = 1ul << 40 | 5000;
  if (what != 3) RING_PAGE = where[what];
  RING_BELL = 1;
  if (what == 4) say("\n");
  say("goes on\n");
  REG32(FINISHER) = 0x5555;
  for (;;);
}
