/* Fixed-width names and the board's addresses, for all guests. The map is that of QEMU's `virt`. */
#ifndef TYPES_H
#define TYPES_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;
typedef int i32;

#define FINISHER 0x100000ul
#define CLINT 0x2000000ul
#define PLIC 0xc000000ul
#define UART 0x10000000ul
#define VIRTIO 0x10001000ul
#define VIRTIO_COUNT 8
#define MEMORY 0x80000000ul
#define PAGE 4096ul
/** Ticks of the time register in a second. */
#define HZ 10000000ul

#define REG8(address) (*(volatile u8 *)(address))
#define REG32(address) (*(volatile u32 *)(address))
#define REG64(address) (*(volatile u64 *)(address))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define NULL ((void *)0)
#endif
