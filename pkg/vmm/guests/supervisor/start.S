# A boot image: the header that Linux's images have (Documentation/riscv/boot-image-header), then where each hart begins: a0 is its number, a1 the device tree, or what its
# starter gave.
.section .text.start
.globl _start
.option push
.option norvc
_start:
  j begin
  nop
  .dword 0x200000
  .dword image_end - _start
  .dword 0
  .word 2
  .word 0
  .dword 0
  .ascii "RISCV\0\0\0"
  .ascii "RSC\x05"
  .word 0
.option pop
begin:
  la sp, first_stack_end
  la t0, fault
  csrw stvec, t0
  call main
1: wfi
  j 1b

.globl second_start
second_start:
  la sp, second_stack_end
  la t0, fault
  csrw stvec, t0
  call second
1: wfi
  j 1b

# A load that faults is passed over and its cause is kept in tp; all interrupts are off.
.align 2
fault:
  csrr tp, scause
  csrr t6, sepc
  addi t6, t6, 4
  csrw sepc, t6
  sret

# load_at(address): what is there, or 0.
.globl load_at
.option push
.option norvc
load_at:
  mv a1, a0
  li a0, 0
  li tp, 0
  lw a0, 0(a1)
  ret

# The cause of the last fault.
.globl last_cause
last_cause:
  mv a0, tp
  ret
.option pop

.bss
.align 4
first_stack: .space 8192
first_stack_end:
second_stack: .space 8192
second_stack_end:
