# Where the compute guest begins: one hart runs, in machine mode, the others wait for ever.
.section .text.start
.globl _start
_start:
  csrr t0, mhartid
  bnez t0, park
  la t0, lost
  csrw mtvec, t0
  la sp, stack_end
  call main
park:
  wfi
  j park
# A trap is a fault of this program: it ends with 2.
.align 2
lost:
  li t0, 0x100000
  li t1, 0x23333
  sw t1, 0(t0)
  j park
