# Boot in machine mode, the timer that only machine mode has, and the way between user and kernel.
#
# Machine mode keeps two duties, as firmware does: `ecall` from supervisor mode sets the time of the next timer interrupt (a0), and that interrupt is
# passed on as the supervisor's. All else is delegated. The kernel runs with interrupts off, so every trap but a fault of its own comes from user mode.
.section .text.start
.globl _start
_start:
  csrr t0, mhartid
  bnez t0, park
  la sp, kernel_stack_end
  la t0, machine_frame
  csrw mscratch, t0
  la t0, machine_trap
  csrw mtvec, t0
  # All memory to lower modes.
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
  li t0, 0xb1ff
  csrw medeleg, t0
  li t0, 0x222
  csrw mideleg, t0
  li t0, -1
  csrw mcounteren, t0
  csrw scounteren, t0
  li t1, 0x2004000
  sd t0, 0(t1)
  li t0, 0x80
  csrw mie, t0
  li t0, 0x1880
  csrc mstatus, t0
  li t0, 0x800
  csrs mstatus, t0
  la t0, supervisor
  csrw mepc, t0
  mret
supervisor:
  la t0, user_trap
  csrw stvec, t0
  csrw sscratch, zero
  li t0, 0x220
  csrw sie, t0
  call main
park:
  wfi
  j park

.align 2
machine_trap:
  csrrw sp, mscratch, sp
  sd t0, 0(sp)
  sd t1, 8(sp)
  csrr t0, mcause
  bltz t0, machine_timer
  addi t0, t0, -9
  bnez t0, machine_lost
  li t0, 0x2004000
  sd a0, 0(t0)
  li t0, 0x20
  csrc mip, t0
  csrr t0, mepc
  addi t0, t0, 4
  csrw mepc, t0
  j machine_out
machine_timer:
  li t0, 0x2004000
  li t1, -1
  sd t1, 0(t0)
  li t0, 0x20
  csrs mip, t0
machine_out:
  ld t0, 0(sp)
  ld t1, 8(sp)
  csrrw sp, mscratch, sp
  mret
# Only a fault of machine mode itself comes here: off with code 3.
machine_lost:
  li t0, 0x100000
  li t1, 0x33333
  sw t1, 0(t0)
  j park

# A frame is 32 words: the program counter, then x1 to x31.
.align 2
user_trap:
  csrrw sp, sscratch, sp
  beqz sp, kernel_trap
  sd x1, 8(sp)
  sd x3, 24(sp)
  sd x4, 32(sp)
  sd x5, 40(sp)
  sd x6, 48(sp)
  sd x7, 56(sp)
  sd x8, 64(sp)
  sd x9, 72(sp)
  sd x10, 80(sp)
  sd x11, 88(sp)
  sd x12, 96(sp)
  sd x13, 104(sp)
  sd x14, 112(sp)
  sd x15, 120(sp)
  sd x16, 128(sp)
  sd x17, 136(sp)
  sd x18, 144(sp)
  sd x19, 152(sp)
  sd x20, 160(sp)
  sd x21, 168(sp)
  sd x22, 176(sp)
  sd x23, 184(sp)
  sd x24, 192(sp)
  sd x25, 200(sp)
  sd x26, 208(sp)
  sd x27, 216(sp)
  sd x28, 224(sp)
  sd x29, 232(sp)
  sd x30, 240(sp)
  sd x31, 248(sp)
  csrrw t0, sscratch, zero
  sd t0, 16(sp)
  csrr t0, sepc
  sd t0, 0(sp)
  la sp, kernel_stack_end
  call trap
kernel_trap:
  la sp, kernel_stack_end
  call kernel_lost

.globl to_user
to_user:
  csrw sscratch, a0
  ld t0, 0(a0)
  csrw sepc, t0
  ld x1, 8(a0)
  ld x2, 16(a0)
  ld x3, 24(a0)
  ld x4, 32(a0)
  ld x5, 40(a0)
  ld x6, 48(a0)
  ld x7, 56(a0)
  ld x8, 64(a0)
  ld x9, 72(a0)
  ld x11, 88(a0)
  ld x12, 96(a0)
  ld x13, 104(a0)
  ld x14, 112(a0)
  ld x15, 120(a0)
  ld x16, 128(a0)
  ld x17, 136(a0)
  ld x18, 144(a0)
  ld x19, 152(a0)
  ld x20, 160(a0)
  ld x21, 168(a0)
  ld x22, 176(a0)
  ld x23, 184(a0)
  ld x24, 192(a0)
  ld x25, 200(a0)
  ld x26, 208(a0)
  ld x27, 216(a0)
  ld x28, 224(a0)
  ld x29, 232(a0)
  ld x30, 240(a0)
  ld x31, 248(a0)
  ld x10, 80(a0)
  sret

.globl set_timer
set_timer:
  ecall
  ret

# The user programs, as one image with its own layout (user/link.ld).
.section .rodata
.globl user_image
.align 12
user_image:
  .incbin USER_IMAGE
.globl user_image_end
user_image_end:

.section .bss
.align 4
machine_frame:
  .skip 16
kernel_stack:
  .skip 16384
.globl kernel_stack_end
kernel_stack_end:
