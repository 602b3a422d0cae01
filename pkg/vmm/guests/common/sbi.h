/* Numbers of the supervisor binary interface, for the firmware that answers and for kernels that ask. Source: RISC-V SBI specification 2.0. */
#ifndef SBI_H
#define SBI_H
#define SBI_BASE 0x10
#define SBI_TIME 0x54494d45
#define SBI_IPI 0x735049
#define SBI_FENCE 0x52464e43
#define SBI_HART 0x48534d
#define SBI_RESET 0x53525354
#define SBI_CONSOLE 0x4442434e
/* Of version 0.1, whose extensions are single functions. */
#define SBI_OLD_TIMER 0
#define SBI_OLD_PUT 1
#define SBI_OLD_GET 2
#define SBI_OLD_CLEAR_IPI 3
#define SBI_OLD_SHUTDOWN 8

#define SBI_OK 0
#define SBI_FAILED -1
#define SBI_NOT_SUPPORTED -2
#define SBI_INVALID -3
#define SBI_INVALID_ADDRESS -5
#define SBI_AVAILABLE -6

/* States of a hart. */
#define HART_STARTED 0
#define HART_STOPPED 1
#define HART_STARTING 2
#define HART_SUSPENDED 4

#define HARTS_MAX 8
/** Bytes from MEMORY on that are the firmware's and nobody else's. */
#define FIRMWARE_BYTES 0x10000ul
/** Where the kernel begins that it starts. */
#define KERNEL 0x80200000ul
#endif
