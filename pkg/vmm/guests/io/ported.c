/* The port of the machine's part to a monitor that is called. */
#include "machine.h"

extern u64 hypercall(u64 number, u64 a0, u64 a1, u64 a2, u64 a3);
u64 offset, linear, first_root;

void give_ring(enum which which, void *page) { hypercall(6, (u64)page, which, 0, 0); }
void tell(enum which which) { hypercall(7, which, 0, 0, 0); }

void switch_off(void) {
  hypercall(8, 0, 0, 0, 0);
  for (;;);
}

u64 trap(u64 cause, u64 pc, u64 value, u64 *registers) {
  (void)cause;
  (void)pc;
  (void)value;
  (void)registers;
  hypercall(8, 1, 0, 0, 0);
  for (;;);
}
