# Where the guest begins, in mode S; a0 to a3 are its parameters. Traps of its program and its own save all registers on the kernel's stack.
.section .text.start
.globl _start
_start:
  la sp, stack_end
  call main
1: j 1b

.text
.globl trap_entry
.align 2
trap_entry:
  csrrw sp, sscratch, sp
  bnez sp, 1f
  csrr sp, sscratch          # out of the kernel itself: its own stack
1:
  addi sp, sp, -272
  sd ra, 8(sp)
  sd gp, 24(sp)
  sd tp, 32(sp)
  sd t0, 40(sp)
  sd t1, 48(sp)
  sd t2, 56(sp)
  sd s0, 64(sp)
  sd s1, 72(sp)
  sd a0, 80(sp)
  sd a1, 88(sp)
  sd a2, 96(sp)
  sd a3, 104(sp)
  sd a4, 112(sp)
  sd a5, 120(sp)
  sd a6, 128(sp)
  sd a7, 136(sp)
  sd t3, 224(sp)
  sd t4, 232(sp)
  sd t5, 240(sp)
  sd t6, 248(sp)
  csrr t0, sscratch
  sd t0, 16(sp)
  csrw sscratch, zero
  csrr a0, scause
  csrr a1, sepc
  csrr a2, stval
  mv a3, sp
  call trap
  csrw sepc, a0
  addi t1, sp, 272
  ld t0, 16(sp)
  csrr t2, sstatus
  andi t2, t2, 0x100
  bnez t2, 2f
  csrw sscratch, t1          # back to the program: the stack for the next trap
2:
  ld ra, 8(sp)
  ld gp, 24(sp)
  ld tp, 32(sp)
  ld t0, 40(sp)
  ld t1, 48(sp)
  ld t2, 56(sp)
  ld s0, 64(sp)
  ld s1, 72(sp)
  ld a0, 80(sp)
  ld a1, 88(sp)
  ld a2, 96(sp)
  ld a3, 104(sp)
  ld a4, 112(sp)
  ld a5, 120(sp)
  ld a6, 128(sp)
  ld a7, 136(sp)
  ld t3, 224(sp)
  ld t4, 232(sp)
  ld t5, 240(sp)
  ld t6, 248(sp)
  ld sp, 16(sp)
  sret

# enter_user(pc, sp, argument): to mode U; leave_user(value) comes back from there as this function's result.
.globl enter_user
enter_user:
  addi sp, sp, -112
  sd ra, 0(sp)
  sd s0, 8(sp)
  sd s1, 16(sp)
  sd s2, 24(sp)
  sd s3, 32(sp)
  sd s4, 40(sp)
  sd s5, 48(sp)
  sd s6, 56(sp)
  sd s7, 64(sp)
  sd s8, 72(sp)
  sd s9, 80(sp)
  sd s10, 88(sp)
  sd s11, 96(sp)
  la t0, kernel_sp
  sd sp, 0(t0)
  csrw sscratch, sp
  csrw sepc, a0
  li t0, 0x100
  csrc sstatus, t0
  mv sp, a1
  mv a0, a2
  sret
.globl leave_user
leave_user:
  la t0, kernel_sp
  ld sp, 0(t0)
  csrw sscratch, zero
  ld ra, 0(sp)
  ld s0, 8(sp)
  ld s1, 16(sp)
  ld s2, 24(sp)
  ld s3, 32(sp)
  ld s4, 40(sp)
  ld s5, 48(sp)
  ld s6, 56(sp)
  ld s7, 64(sp)
  ld s8, 72(sp)
  ld s9, 80(sp)
  ld s10, 88(sp)
  ld s11, 96(sp)
  addi sp, sp, 112
  ret

# The program: so many system calls (a0), then the one that ends it.
.section .user, "ax"
.globl user_program
user_program:
  mv s0, a0
  li s1, 0
1:
  beqz s0, 2f
  li a7, 1
  mv a0, s0
  ecall
  add s1, s1, a0
  addi s0, s0, -1
  j 1b
2:
  li a7, 0
  mv a0, s1
  ecall
3: j 3b

.bss
.align 4
stack: .space 16384
stack_end:
kernel_sp: .space 8
