/* Sets a bit of its status and looks whether it is set; then its program looks at the status. */
#include "probe.h"

#define SUM (1ul << 18)

void main(void) {
  u64 seen;
  start_traps();
  __asm__ volatile("csrs sstatus, %1\n csrr %0, sstatus\n csrc sstatus, %1" : "=&r"(seen) : "r"(SUM));
  say(seen & SUM ? "kernel: the bit is set, " : "kernel: the bit is lost, ");
  trap_cause = NONE;
  __asm__ volatile("la t0, 9f\n la t1, resume_at\n sd t0, 0(t1)\n la t0, 8f\n csrw sepc, t0\n li t0, 0x100\n csrc sstatus, t0\n sret\n"
                   "8: csrr %0, sstatus\n ecall\n9:"
                   : "=&r"(seen)::"t0", "t1", "memory");
  if (trap_cause == 8) say_hex("program: it reads", seen);
  else say_hex("program: trap", trap_cause);
  REG8(UART) = '\n';
  switch_off();
}
