/* A guest that looks for its monitor: what its registers keep of what is written, and what each instruction does that a monitor might do otherwise than the machine. */
#include "probe.h"

#define REGISTER(name)                                                                  \
  do {                                                                                  \
    u64 old, ones, zeros, some;                                                         \
    __asm__ volatile("csrr %0, " #name : "=r"(old));                                    \
    __asm__ volatile("csrw " #name ", %1\n csrr %0, " #name : "=r"(ones) : "r"(~0ul));  \
    __asm__ volatile("csrw " #name ", zero\n csrr %0, " #name : "=r"(zeros));           \
    __asm__ volatile("csrs " #name ", %1\n csrc " #name ", %2\n csrr %0, " #name        \
                     : "=r"(some)                                                       \
                     : "r"(0x0123456789abcdefl), "r"(0x0ff0l));                         \
    __asm__ volatile("csrw " #name ", %0" ::"r"(old));                                  \
    say_hex(#name, old);                                                                \
    say_hex("", ones);                                                                  \
    say_hex("", zeros);                                                                 \
    say_hex("", some);                                                                  \
    REG8(UART) = '\n';                                                                  \
  } while (0)

static void look_at_registers(void) {
  REGISTER(sstatus);
  REGISTER(sie);
  REGISTER(sip);
  REGISTER(scounteren);
  REGISTER(senvcfg);
  REGISTER(sscratch);
  REGISTER(sepc);
  REGISTER(scause);
  REGISTER(stval);
  REGISTER(stvec);
  /* Modes that there are not keep the old value, and what has no mode turns nothing on. */
  __asm__ volatile("csrw satp, %0" ::"r"(0x123ul));
  __asm__ volatile("csrw satp, %0" ::"r"(9ul << 60));
  u64 root;
  __asm__ volatile("csrrw %0, satp, zero" : "=r"(root));
  say_hex("satp", root);
  REG8(UART) = '\n';
}

static void try_instructions(void) {
  TRY(".word 0");
  TRY(".word 0xffffffff");
  TRY("ebreak");
  TRY("wfi");
  TRY("sfence.vma");
  TRY("fence.i");
  TRY("mret");
  TRY("csrr a0, mstatus");
  TRY("csrw mscratch, zero");
  TRY("csrr a0, 0x600");
  TRY("csrr a0, 0x200");
  TRY("csrr a0, 0x680");
  TRY(".word 0x22000073");
  TRY("csrr a0, 0x5c0");
  TRY("csrr a0, cycle");
  TRY("csrr a0, time");
  TRY("csrr a0, instret");
  TRY("csrr a0, 0x14d");
  TRY("csrw cycle, zero");
}

static void try_memory(void) {
  TRY("li a0, 0x20000000\n lw a1, 0(a0)");
  TRY("li a0, 0x20000000\n sw a1, 0(a0)");
  TRY("li a0, 0x20000000\n jr a0");
  TRY("li a0, 0x7ffffff8\n ld a1, 0(a0)");
  TRY("li a0, -8\n ld a1, 0(a0)");
  TRY("li a0, 0x10000008\n lbu a1, 0(a0)");
  TRY("li a0, 0x10000008\n sb a1, 0(a0)");
  TRY("li a0, 0x10000001\n lhu a1, 0(a0)");
  TRY("li a0, 0x10000001\n sh a1, 0(a0)");
  TRY("li a0, 0x10000006\n lw a1, 0(a0)");
  TRY("li a0, 0x10000000\n ld a1, 0(a0)");
  TRY("li a0, 0x100004\n sw a1, 0(a0)");
  TRY("li a0, 0x100000\n lw a1, 0(a0)");
  TRY("la a0, resume_at\n addi a0, a0, 1\n lr.w a1, (a0)");
  TRY("la a0, resume_at\n addi a0, a0, 2\n amoadd.w a1, a1, (a0)");
}

static void try_program(void) {
  TRY_USER("nop");
  TRY_USER("csrr a0, sstatus");
  TRY_USER("csrw sscratch, zero");
  TRY_USER("csrr a0, 0x600");
  TRY_USER("csrr a0, mstatus");
  TRY_USER("csrr a0, cycle");
  TRY_USER("sret");
  TRY_USER("wfi");
  TRY_USER("sfence.vma");
  TRY_USER("ebreak");
  TRY_USER(".word 0");
  TRY_USER("li a0, 0x20000000\n lw a1, 0(a0)");
}

void main(void) {
  start_traps();
  look_at_registers();
  try_instructions();
  try_memory();
  try_program();
  switch_off();
}
