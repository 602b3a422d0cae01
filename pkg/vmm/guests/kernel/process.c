/*
 * Processes: made by fork, ended by themselves, a fault or another, each for ten milliseconds at most while others want to run. A call that has to wait
 * leaves the process before it, so that it is made again when there is news; the kernel has one stack and nothing sleeps in it.
 */
#include "kernel.h"

#define SLICE (HZ / 100)

struct process processes[PROCESSES], *current;
u64 timer = NEVER;
static u64 pids = 1, turn, started_at, flushed_at, *kernel_space;
extern char user_image[], user_image_end[];
void to_user(u64 *frame) __attribute__((noreturn));

/** What begins the user image: sizes in bytes of what may be executed, what has values, and what is zero. */
struct layout { u64 entry, code, data, zero; };

static void use_space(u64 *root) {
  asm volatile("csrw satp, %0; sfence.vma" ::"r"(8ul << 60 | (u64)root >> 12) : "memory");
}

static struct process *free_slot(void) {
  for (int at = 0; at < PROCESSES; at++)
    if (processes[at].state == NONE) return processes + at;
  return NULL;
}

struct process *process_of(u64 pid) {
  for (int at = 0; at < PROCESSES; at++)
    if (processes[at].state != NONE && processes[at].pid == pid) return processes + at;
  return NULL;
}

void process_start_first(void) {
  struct process *process = processes;
  kernel_space = space_new();
  const struct layout *layout = (const struct layout *)user_image;
  process->space = space_new();
  for (u64 at = 0; at < layout->code + layout->data + layout->zero; at += PAGE) {
    u8 *page = page_new();
    if (page == NULL) panic("no memory for the first process");
    u64 image = (u64)(user_image_end - user_image);
    if (at < image) memcpy(page, user_image + at, MIN(PAGE, image - at));
    space_map(process->space, USER_START + at, page, at < layout->code ? FLAG_R | FLAG_X : FLAG_R | FLAG_W);
  }
  process->pid = pids++;
  process->break_at = HEAP_START;
  process->frame[0] = layout->entry;
  process->frame[2] = STACK_END;
  process->state = READY;
  stats.processes = 1;
}

i64 process_fork(void) {
  struct process *child = free_slot();
  if (child == NULL) return FULL;
  u64 *space = space_new();
  if (space == NULL) return FULL;
  int is_whole = space_fork(space, current->space);
  // What the parent may write, it may not any more.
  asm volatile("sfence.vma" ::: "memory");
  if (!is_whole) {
    space_free(space);
    return FULL;
  }
  memset(child, 0, sizeof *child);
  memcpy(child->frame, current->frame, sizeof child->frame);
  child->space = space;
  child->pid = pids++;
  child->parent = current->pid;
  child->break_at = current->break_at;
  child->frame[0] += 4;
  child->frame[10] = 0;
  child->state = READY;
  stats.processes++;
  return (i64)child->pid;
}

i64 process_wait(u64 *code) {
  int has_children = 0;
  for (int at = 0; at < PROCESSES; at++) {
    struct process *process = processes + at;
    if (process->state == NONE || process->parent != current->pid) continue;
    has_children = 1;
    if (process->state != ZOMBIE) continue;
    *code = process->exit_code;
    process->state = NONE;
    return (i64)process->pid;
  }
  return has_children ? AGAIN : NOTHING;
}

void process_end(struct process *process, u64 code) {
  if (process->pid == 1) off(code);
  if (process == current) {
    use_space(kernel_space);
    current = NULL;
  }
  space_free(process->space);
  process->space = NULL;
  process->exit_code = code;
  process->state = ZOMBIE;
  stats.processes--;
  tcp_orphans(process);
  for (int at = 0; at < PROCESSES; at++)
    if (processes[at].parent == process->pid) processes[at].parent = 1;
  wake(processes);
}

void wait_for(const void *channel, u64 deadline) {
  current->state = WAITING;
  current->channel = channel;
  current->deadline = deadline;
}

void wake(const void *channel) {
  for (int at = 0; at < PROCESSES; at++)
    if (processes[at].state == WAITING && processes[at].channel == channel) processes[at].state = READY;
}

/** Wakes those whose time has come; says when the next one's does. */
static u64 wake_sleepers(u64 time) {
  u64 next = NEVER;
  for (int at = 0; at < PROCESSES; at++) {
    struct process *process = processes + at;
    if (process->state != WAITING) continue;
    if (process->deadline <= time) process->state = READY;
    else next = MIN(next, process->deadline);
  }
  return next;
}

static struct process *choose(void) {
  for (int step = 1; step <= PROCESSES; step++) {
    struct process *process = processes + (turn + (u64)step) % PROCESSES;
    if (process->state == READY) return process;
  }
  return NULL;
}

void schedule(void) {
  u64 time = now();
  if (current != NULL) current->ticks += time - started_at;
  for (;;) {
    u64 deadline = MIN(wake_sleepers(time), tcp_tick(time));
    struct process *process = choose();
    if (process == NULL || time - flushed_at > SLICE) {
      tcp_flush();
      flushed_at = time;
    }
    if (process != NULL) deadline = MIN(deadline, time + SLICE);
    if (deadline != timer) set_timer(timer = deadline);
    if (process != NULL) {
      turn = (u64)(process - processes);
      if (process != current) {
        stats.switches++;
        use_space(process->space);
      }
      current = process;
      started_at = now();
      to_user(process->frame);
    }
    asm volatile("wfi");
    handle_interrupts();
    time = now();
  }
}
