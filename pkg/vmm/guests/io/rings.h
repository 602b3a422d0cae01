/* Front halves of devices whose other half is a monitor's: each a ring in a page of the guest's memory. What is in them is in pkg/vmm/monitor/ring.ts and the files beside it. */
#pragma once
#include "../common/types.h"

#define RING 2048
#define REQUESTS 32
#define BUFFERS 16

enum which { CONSOLE, DISK, NET };

/* Bytes of the console: so many put by the guest, so many taken by the other half. */
struct console_ring {
  volatile u64 put, taken;
  volatile u8 data[RING];
};

/* Sectors to read (kind 1) or write (2), from or to 512 bytes of a page; state is 1 for one that was done. */
struct disk_ring {
  volatile u64 put, answered;
  volatile struct {
    u64 kind, sector, address, state;
  } requests[REQUESTS];
};

/* Frames to send, and halves of pages for those that come, with the length of what came. */
struct net_ring {
  volatile u64 put, taken, offered, filled;
  volatile struct {
    u64 address, length;
  } out[BUFFERS], in[BUFFERS];
};
