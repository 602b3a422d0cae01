#include "probe.h"

u64 resume_at, trap_cause, trap_value;

void say(const char *text) {
  while (*text) REG8(UART) = *text == '\n' ? ';' : *text, text++;
}

void say_hex(const char *name, u64 value) {
  say(name);
  REG8(UART) = ' ';
  int shift = 60;
  while (shift > 0 && value >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) REG8(UART) = "0123456789abcdef"[value >> shift & 15];
}

static void end_line(void) { REG8(UART) = '\n'; }

void report(const char *name) {
  say(name);
  if (trap_cause == NONE) say(" done");
  else {
    say_hex(" trap", trap_cause);
    say_hex(" value", trap_value);
  }
  end_line();
}

/* Back to the kernel, behind what was tried. */
__attribute__((interrupt("supervisor"), aligned(4))) static void vector(void) {
  __asm__ volatile("csrr %0, scause" : "=r"(trap_cause));
  __asm__ volatile("csrr %0, stval" : "=r"(trap_value));
  __asm__ volatile("csrw sepc, %0\n csrs sstatus, %1" ::"r"(resume_at), "r"(0x100));
}

void start_traps(void) { __asm__ volatile("csrw stvec, %0" ::"r"(vector)); }

void switch_off(void) {
  REG32(FINISHER) = 0x5555;
  for (;;);
}
