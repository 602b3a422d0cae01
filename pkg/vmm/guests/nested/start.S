# Where the monitor begins, without paging; then it goes on where its own tables map it.
.section .text.start
.globl _start
_start:
  la sp, stack_end
  mv s0, a0
  mv s1, a1
  mv s2, a2
  mv s3, a3
  mv s4, a4
  mv s5, a5
  mv a0, a5
  call make_own_tables
  mv s6, a0
  mv a0, s5
  call distance
  la t0, 1f
  add t0, t0, a0
  add sp, sp, a0
  csrw satp, s6
  sfence.vma
  jr t0
1:
  la t0, trap_entry
  csrw stvec, t0
  mv a0, s0
  mv a1, s1
  mv a2, s2
  mv a3, s3
  mv a4, s4
  mv a5, s5
  call main

.text
# A trap of the guest. sscratch has where its registers are; a0 is exchanged with it, and read from it.
.globl trap_entry
.align 2
trap_entry:
  csrrw a0, sscratch, a0
  sd ra, 8(a0)
  sd sp, 16(a0)
  sd gp, 24(a0)
  sd tp, 32(a0)
  sd t0, 40(a0)
  sd t1, 48(a0)
  sd t2, 56(a0)
  sd s0, 64(a0)
  sd s1, 72(a0)
  sd a1, 88(a0)
  sd a2, 96(a0)
  sd a3, 104(a0)
  sd a4, 112(a0)
  sd a5, 120(a0)
  sd a6, 128(a0)
  sd a7, 136(a0)
  sd s2, 144(a0)
  sd s3, 152(a0)
  sd s4, 160(a0)
  sd s5, 168(a0)
  sd s6, 176(a0)
  sd s7, 184(a0)
  sd s8, 192(a0)
  sd s9, 200(a0)
  sd s10, 208(a0)
  sd s11, 216(a0)
  sd t3, 224(a0)
  sd t4, 232(a0)
  sd t5, 240(a0)
  sd t6, 248(a0)
  csrr t0, sscratch
  sd t0, 80(a0)
  csrw sscratch, a0
  la sp, stack_end
  call handle

# resume(guest): on with the guest, at sepc.
.globl resume
resume:
  ld ra, 8(a0)
  ld sp, 16(a0)
  ld gp, 24(a0)
  ld tp, 32(a0)
  ld t0, 40(a0)
  ld t1, 48(a0)
  ld t2, 56(a0)
  ld s0, 64(a0)
  ld s1, 72(a0)
  ld a1, 88(a0)
  ld a2, 96(a0)
  ld a3, 104(a0)
  ld a4, 112(a0)
  ld a5, 120(a0)
  ld a6, 128(a0)
  ld a7, 136(a0)
  ld s2, 144(a0)
  ld s3, 152(a0)
  ld s4, 160(a0)
  ld s5, 168(a0)
  ld s6, 176(a0)
  ld s7, 184(a0)
  ld s8, 192(a0)
  ld s9, 200(a0)
  ld s10, 208(a0)
  ld s11, 216(a0)
  ld t3, 224(a0)
  ld t4, 232(a0)
  ld t5, 240(a0)
  ld t6, 248(a0)
  ld a0, 80(a0)
  sret

# What it runs: a program for the bare machine, from its first byte.
.section .rodata
.globl image
.globl image_end
.align 3
image:
  .incbin IMAGE
image_end:

.bss
.align 12
stack: .space 16384
.globl stack_end
stack_end:
.globl own_root
.align 12
own_root: .space 4096
