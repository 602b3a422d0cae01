/* Small kernels that ask a machine questions, in mode S without paging. An instruction is tried, and what it trapped with is told. */
#pragma once
#include "../common/types.h"

/* Where the next trap goes on, and what the last one was; the cause is NONE without one. */
#define NONE (~0ul)
extern u64 resume_at, trap_cause, trap_value;

void say(const char *text);
void say_hex(const char *name, u64 value);
void report(const char *name);
void start_traps(void);
void switch_off(void) __attribute__((noreturn));

#define CLOBBERED "t0", "t1", "t2", "t3", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "ra", "memory"

/* In mode S. */
#define TRY(code)                                                                                        \
  do {                                                                                                   \
    trap_cause = NONE;                                                                                   \
    __asm__ volatile(".option push\n.option norvc\nla t0, 9f\nla t1, resume_at\nsd t0, 0(t1)\n" code "\n9:\n.option pop" ::: CLOBBERED); \
    report(code);                                                                                        \
  } while (0)

/* In mode U, where a call follows it. */
#define TRY_USER(code)                                                                                   \
  do {                                                                                                   \
    trap_cause = NONE;                                                                                   \
    __asm__ volatile(".option push\n.option norvc\nla t0, 9f\nla t1, resume_at\nsd t0, 0(t1)\nla t0, 8f\ncsrw sepc, t0\nli t0, 0x100\n" \
                     "csrc sstatus, t0\nsret\n8: " code "\necall\n9:\n.option pop" ::: CLOBBERED);         \
    report("program: " code);                                                                            \
  } while (0)
