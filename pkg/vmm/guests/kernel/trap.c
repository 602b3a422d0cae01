/* Why the kernel was entered: an interrupt, a call, or a fault of the program, which ends with 128 and the cause. */
#include "kernel.h"

u64 now(void) {
  u64 time;
  asm volatile("rdtime %0" : "=r"(time));
  return time;
}

void off(u64 code) {
  REG32(FINISHER) = code == 0 ? 0x5555 : (u32)(code & 0xffff) << 16 | 0x3333;
  for (;;) asm volatile("wfi");
}

void panic(const char *why) {
  print("kernel: panic: %s\n", why);
  off(70);
}

/** A trap of the kernel itself: it is broken, and says where. */
void kernel_lost(void) {
  u64 cause, pc, value;
  asm volatile("csrr %0, scause; csrr %1, sepc; csrr %2, stval" : "=r"(cause), "=r"(pc), "=r"(value));
  print("kernel: trap %x at %x, value %x\n", cause, pc, value);
  panic("the kernel trapped");
}

void handle_interrupts(void) {
  u64 pending;
  asm volatile("csrr %0, sip" : "=r"(pending));
  if (pending & 0x20) {
    stats.timer_interrupts++;
    // Whose time has come is seen by `schedule`, which also sets the next time.
    set_timer(timer = NEVER);
  }
  // Context 1 of the PLIC: supervisor mode of hart 0.
  for (u32 number; pending & 0x200 && (number = REG32(PLIC + 0x201004)) != 0;) {
    stats.interrupts++;
    if (number == 10) uart_interrupt();
    else device_interrupt(number);
    REG32(PLIC + 0x201004) = number;
  }
}

static i64 list_processes(u64 to, u64 count) {
  u64 found = 0;
  for (u64 at = 0; at < PROCESSES && found < count; at++) {
    struct process *process = processes + at;
    if (process->state == NONE) continue;
    u64 pages = process->space == NULL ? 0 : space_pages(process->space);
    struct process_line line = {process->pid, process->parent, process->state, pages, process->ticks};
    if (!copy_out(to + found++ * sizeof line, &line, sizeof line)) return NOTHING;
  }
  return (i64)found;
}

static i64 console_call(u64 number, u64 at, u64 length) {
  char piece[256];
  length = MIN(length, sizeof piece);
  if (number == CALL_WRITE) {
    if (!copy_in(piece, at, length)) return NOTHING;
    console_write(piece, length);
    return (i64)length;
  }
  length = console_read(piece, length);
  if (length == 0) return AGAIN;
  return copy_out(at, piece, length) ? (i64)length : NOTHING;
}

static const char *arguments;

static i64 argument_call(u64 name_at, u64 to, u64 length) {
  char name[32];
  if (!copy_in(name, name_at, sizeof name)) return NOTHING;
  name[31] = 0;
  const char *value = argument(arguments, name);
  if (value == NULL) return NOTHING;
  u64 size = 0;
  while (value[size] != 0 && value[size] != ' ' && size + 1 < length) size++;
  char zero = 0;
  return copy_out(to, value, size) && copy_out(to + size, &zero, 1) ? (i64)size : NOTHING;
}

static i64 disk_call(int writes, u64 sector, u64 at, u64 sectors) {
  u8 *page = process_page(current, at, !writes);
  if (page == NULL || (at & 511) != 0 || (at & (PAGE - 1)) + sectors * 512 > PAGE) return NOTHING;
  return disk_transfer(writes, sector, page + (at & (PAGE - 1)), sectors);
}

static i64 ready_call(u64 to, u64 count) {
  u64 found = 0;
  while (found < count && current->ready_count > 0) {
    u16 socket = current->ready[current->ready_first];
    current->ready_first = (current->ready_first + 1) % SOCKETS;
    current->ready_count--;
    tcp_told(socket);
    if (!copy_out(to + found++ * 2, &socket, 2)) return NOTHING;
  }
  return (i64)found;
}

static i64 call(u64 number, u64 a, u64 b, u64 c, u64 d) {
  i64 result;
  u64 code = 0;
  switch (number) {
  case CALL_FORK: return process_fork();
  case CALL_WAIT:
    result = process_wait(&code);
    if (result == AGAIN && b == 0) wait_for(processes, NEVER);
    return result > 0 && !copy_out(a, &code, 8) ? NOTHING : result;
  case CALL_GETPID: return (i64)current->pid;
  case CALL_YIELD: return 0;
  case CALL_SLEEP_UNTIL:
    if (now() >= a) return 0;
    wait_for(NULL, a);
    return AGAIN;
  case CALL_SBRK:
    if (current->break_at + a < HEAP_START || current->break_at + a > STACK_END - 2 * STACK_BYTES) return FULL;
    current->break_at += a;
    return (i64)(current->break_at - a);
  case CALL_WRITE: return console_call(number, a, b);
  case CALL_READ:
    result = console_call(number, a, b);
    if (result == AGAIN) wait_for(console_read, NEVER);
    return result;
  case CALL_LISTEN: return tcp_listen((u16)a);
  case CALL_ACCEPT: return tcp_accept(a);
  case CALL_RECV: return tcp_recv(a, b, c);
  case CALL_SEND: return tcp_send(a, b, c);
  case CALL_CLOSE: return tcp_close(a);
  case CALL_CLAIM: return tcp_claim(a);
  case CALL_READY:
    result = ready_call(a, b);
    if (result != 0 || now() >= c) return result;
    wait_for(current, c);
    return AGAIN;
  case CALL_STATS:
    stats.ticks = now();
    return copy_out(a, &stats, MIN(b, sizeof stats)) ? 0 : NOTHING;
  case CALL_POWEROFF: off(a);
  case CALL_BALLOON: return balloon(a);
  case CALL_PROCESSES: return list_processes(a, b);
  case CALL_KILL: {
    struct process *process = process_of(a);
    if (process == NULL || process->state == ZOMBIE) return NOTHING;
    process_end(process, 137);
    return 0;
  }
  case CALL_DISK:
    result = disk_call((int)a, b, c, d);
    if (result == AGAIN) wait_for(&disk_sectors, NEVER);
    return result;
  case CALL_ARGUMENT: return argument_call(a, b, c);
  default: return NOTHING;
  }
}

static void fault(u64 cause) {
  u64 value;
  asm volatile("csrr %0, stval" : "=r"(value));
  if (cause == 12 || cause == 13 || cause == 15) {
    stats.page_faults++;
    if (cause != 12 && process_page(current, value, cause == 15) != NULL) return;
  }
  print("kernel: process %u ended: trap %u at %x, value %x\n", current->pid, cause, current->frame[0], value);
  process_end(current, 128 + cause);
}

void trap(void) {
  u64 cause;
  asm volatile("csrr %0, scause" : "=r"(cause));
  if (cause >> 63) handle_interrupts();
  else if (cause == 8) {
    stats.calls++;
    u64 *frame = current->frame;
    struct process *caller = current;
    if (frame[17] == CALL_EXIT) process_end(caller, frame[10]);
    else {
      i64 result = call(frame[17], frame[10], frame[11], frame[12], frame[13]);
      if (caller->state == READY) {
        frame[10] = (u64)result;
        frame[0] += 4;
      }
    }
  } else fault(cause);
  schedule();
}

void main(u64 hart, const void *tree) {
  static char line[1024];
  (void)hart;
  struct board board = read_fdt(tree);
  format(line, sizeof line, "%s", board.arguments);
  arguments = line;
  uart_start();
  memory_start(board.memory);
  REG32(PLIC + 0x201000) = 0;
  devices_start();
  net_start(arguments);
  print("kernel: %u KiB, %s%s\n", board.memory / 1024, net_is_there ? "network" : "no network", disk_sectors > 0 ? ", disk" : "");
  process_start_first();
  schedule();
}
