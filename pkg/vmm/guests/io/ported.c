/* The port of io.c to a monitor that is called. */
#include "output.h"

extern u64 hypercall(u64 number, u64 a0, u64 a1, u64 a2, u64 a3);
u64 offset, linear, first_root;
static struct ring ring __attribute__((aligned(4096)));

u64 trap(u64 cause, u64 pc, u64 value, u64 *registers) {
  (void)cause;
  (void)pc;
  (void)value;
  (void)registers;
  hypercall(8, 1, 0, 0, 0);
  for (;;);
}

void main(u64 bytes) {
  hypercall(6, (u64)&ring, 0, 0, 0);
  for (u64 index = 0; index < bytes; index++)
    if (ring_put(&ring, byte_of(index))) hypercall(7, 0, 0, 0, 0);
  hypercall(7, 0, 0, 0, 0);
  hypercall(8, 0, 0, 0, 0);
}
