# The firmware's first instructions on each hart (a0: its number, a1: the device tree), its traps, and how it leaves for the kernel. While a lower mode runs,
# mscratch holds the end of the hart's stack.
#define FRAME 128
.section .text.start
.globl _start
_start:
  csrr a0, mhartid
  la sp, stacks
  addi t0, a0, 1
  slli t0, t0, 11
  add sp, sp, t0
  la t0, trap_entry
  csrw mtvec, t0
  mv a2, sp
  call main
1: wfi
  j 1b

# What a call must find as it left it is kept by the C code or here.
.align 2
trap_entry:
  csrrw sp, mscratch, sp
  addi sp, sp, -FRAME
  sd ra, 0(sp)
  sd t0, 8(sp)
  sd t1, 16(sp)
  sd t2, 24(sp)
  sd t3, 32(sp)
  sd t4, 40(sp)
  sd t5, 48(sp)
  sd t6, 56(sp)
  sd a0, 64(sp)
  sd a1, 72(sp)
  sd a2, 80(sp)
  sd a3, 88(sp)
  sd a4, 96(sp)
  sd a5, 104(sp)
  sd a6, 112(sp)
  sd a7, 120(sp)
  addi a0, sp, 64
  call trapped
  ld ra, 0(sp)
  ld t0, 8(sp)
  ld t1, 16(sp)
  ld t2, 24(sp)
  ld t3, 32(sp)
  ld t4, 40(sp)
  ld t5, 48(sp)
  ld t6, 56(sp)
  ld a0, 64(sp)
  ld a1, 72(sp)
  ld a2, 80(sp)
  ld a3, 88(sp)
  ld a4, 96(sp)
  ld a5, 104(sp)
  ld a6, 112(sp)
  ld a7, 120(sp)
  addi sp, sp, FRAME
  csrrw sp, mscratch, sp
  mret

# enter(hart, opaque, address, end of its stack): supervisor mode without paging and with interrupts off.
.globl enter
enter:
  csrw mscratch, a3
  csrw mepc, a2
  csrw satp, zero
  sfence.vma
  fence.i
  li t0, 0x1802
  csrc mstatus, t0
  li t0, 0x800
  csrs mstatus, t0
  mret

# stopped(hart, end of its stack): goes on at `wait_for_start` with an empty stack.
.globl stopped
stopped:
  mv sp, a1
  j wait_for_start

.bss
.align 4
stacks: .space 2048 * 8
