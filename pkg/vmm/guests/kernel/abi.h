/* What kernel and programs agree on: numbers of system calls, and what some of them fill in. Results below zero are errors. */
#ifndef ABI_H
#define ABI_H
#include "../common/types.h"

enum call {
  CALL_EXIT, CALL_FORK, CALL_WAIT, CALL_GETPID, CALL_YIELD, CALL_SLEEP_UNTIL, CALL_SBRK, CALL_WRITE, CALL_READ, CALL_LISTEN, CALL_ACCEPT, CALL_RECV,
  CALL_SEND, CALL_CLOSE, CALL_READY, CALL_CLAIM, CALL_STATS, CALL_POWEROFF, CALL_BALLOON, CALL_PROCESSES, CALL_KILL, CALL_DISK, CALL_ARGUMENT
};

/** Nothing to be had yet; gone, or broken; no room or no memory; no such thing. */
#define AGAIN (-1l)
#define GONE (-2l)
#define FULL (-3l)
#define NOTHING (-4l)

#define USER_START 0x1000000000ul
/** Lowest address of the heap, above any program. */
#define HEAP_START 0x1010000000ul
#define STACK_END 0x103ffff000ul
#define STACK_BYTES 0x10000ul

struct stats {
  u64 ticks, pages, pages_free, pages_ballooned, processes, switches, calls, page_faults, copies_on_write, interrupts, timer_interrupts;
  u64 frames_in, frames_out, frames_lost, connections, connections_open, retransmissions, sectors_read, sectors_written;
};

struct process_line {
  u64 pid, parent, state, pages, ticks;
};
#endif
