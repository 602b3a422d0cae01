/*
 * Uses a device so often as a0 says: a2 is 0 for bytes that it writes to its console, 1 for sectors that it writes to its disk and reads again, 2 for frames that it sends and that come back. By the device's
 * registers where a1 is 0, by a ring that it shares with its monitor where it is 1, and then it tells the other half when the ring is full and at the end. Says at last what it read.
 */
#include "machine.h"

#define DISK_BASE 0x10003000ul
#define NET_BASE 0x10004000ul
#define SECTORS 64
#define FRAME 256

static struct console_ring console __attribute__((aligned(4096)));
static struct disk_ring disk __attribute__((aligned(4096)));
static struct net_ring net __attribute__((aligned(4096)));
static u32 sectors[REQUESTS][128] __attribute__((aligned(4096)));
static u32 sent[BUFFERS][512] __attribute__((aligned(4096)));
static u32 come[BUFFERS][512] __attribute__((aligned(4096)));
static u64 by_ring, sum;

static void put(char byte) {
  if (!by_ring) {
    REG8(UART) = byte;
    return;
  }
  console.data[console.put % RING] = byte;
  console.put++;
  if (console.put - console.taken == RING) tell(CONSOLE);
}

static void add(u32 word) { sum = sum * 31 + word; }

static void write_bytes(u64 count) {
  for (u64 index = 0; index < count; index++) put((index & 63) == 63 ? '\n' : 'a' + index % 26);
}

static void transfer(u64 kind, u64 sector) {
  u64 place = sector % SECTORS;
  REG32(DISK_BASE) = place;
  if (kind == 1) REG32(DISK_BASE + 4) = 1;
  for (u64 word = 0; word < 128; word++) {
    if (kind == 2) REG32(DISK_BASE + 16) = sector * 128 + word;
    else add(REG32(DISK_BASE + 16));
  }
  if (kind == 2) REG32(DISK_BASE + 4) = 2;
  add(REG32(DISK_BASE + 8));
}

/* Sectors from `first` on, by requests in one ring. */
static void transfer_by_ring(u64 kind, u64 first, u64 count) {
  for (u64 index = 0; index < count; index++) {
    u64 at = disk.put % REQUESTS;
    if (kind == 2)
      for (u64 word = 0; word < 128; word++) sectors[at][word] = (first + index) * 128 + word;
    disk.requests[at].kind = kind;
    disk.requests[at].sector = (first + index) % SECTORS;
    disk.requests[at].address = (u64)sectors[at];
    disk.requests[at].state = 0;
    disk.put++;
  }
  u64 begin = disk.answered;
  tell(DISK);
  for (u64 index = begin; index < disk.answered; index++) {
    u64 at = index % REQUESTS;
    if (kind == 1)
      for (u64 word = 0; word < 128; word++) add(sectors[at][word]);
    add(disk.requests[at].state);
  }
}

static void use_disk(u64 count) {
  for (u64 first = 0; first < count; first += REQUESTS) {
    u64 some = MIN(REQUESTS, count - first);
    for (u64 kind = 2; kind > 0; kind--) {
      if (by_ring) transfer_by_ring(kind, first, some);
      else
        for (u64 index = 0; index < some; index++) transfer(kind, first + index);
    }
  }
}

static u32 word_of(u64 frame, u64 word) { return frame * 64 + word; }

static void exchange(u64 frame) {
  REG32(NET_BASE) = FRAME;
  for (u64 word = 0; word < FRAME / 4; word++) REG32(NET_BASE + 4) = word_of(frame, word);
  u64 length = REG32(NET_BASE + 8);
  for (u64 word = 0; word < length / 4; word++) add(REG32(NET_BASE + 12));
}

static void exchange_by_ring(u64 first, u64 count) {
  for (u64 index = 0; index < count; index++) {
    u64 at = net.put % BUFFERS;
    for (u64 word = 0; word < FRAME / 4; word++) sent[at][word] = word_of(first + index, word);
    net.in[at].address = (u64)come[at];
    net.out[at].address = (u64)sent[at];
    net.out[at].length = FRAME;
    net.offered++;
    net.put++;
  }
  u64 begin = net.filled;
  tell(NET);
  for (u64 index = begin; index < net.filled; index++) {
    u64 at = index % BUFFERS;
    for (u64 word = 0; word < net.in[at].length / 4; word++) add(come[at][word]);
  }
}

static void use_net(u64 count) {
  if (!by_ring)
    for (u64 frame = 0; frame < count; frame++) exchange(frame);
  else
    for (u64 first = 0; first < count; first += BUFFERS) exchange_by_ring(first, MIN(BUFFERS, count - first));
}

static void say_sum(void) {
  for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[sum >> shift & 15]);
  put('\n');
}

void main(u64 count, u64 driver, u64 device) {
  by_ring = driver;
  if (by_ring) {
    give_ring(CONSOLE, &console);
    if (device == DISK) give_ring(DISK, &disk);
    if (device == NET) give_ring(NET, &net);
  }
  if (device == DISK) use_disk(count);
  else if (device == NET) use_net(count);
  else write_bytes(count);
  if (device != CONSOLE) say_sum();
  if (by_ring) tell(CONSOLE);
  switch_off();
}
