# Where a probe begins; a0 and a1 are its parameters.
.section .text.start
.globl _start
_start:
  la sp, stack_end
  call main
1: j 1b

.bss
.align 4
stack: .space 16384
stack_end:
