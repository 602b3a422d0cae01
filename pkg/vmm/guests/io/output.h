/* The front half of a console whose other half is a monitor's: a ring in a page of the guest's memory. */
#pragma once
#include "../common/types.h"

#define RING 2048

struct ring {
  volatile u64 put, taken;
  volatile u8 data[RING];
};

/* The byte of so many that the guest writes. */
static inline char byte_of(u64 index) { return (index & 63) == 63 ? '\n' : 'a' + index % 26; }

/* Puts a byte; true if the other half must be told before there is room for another. */
static inline int ring_put(struct ring *ring, char byte) {
  ring->data[ring->put % RING] = byte;
  ring->put++;
  return ring->put - ring->taken == RING;
}
