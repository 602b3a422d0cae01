# What a user image begins with: its layout, as the kernel reads it, and its first instruction.
.section .layout, "ax"
.dword _start
.dword code_end - 0x1000000000
.dword data_end - code_end
.dword zero_end - data_end
.globl _start
_start:
  call main
  li a7, 0
  ecall
.globl call
call:
  mv a7, a0
  mv a0, a1
  mv a1, a2
  mv a2, a3
  mv a3, a4
  ecall
  ret
