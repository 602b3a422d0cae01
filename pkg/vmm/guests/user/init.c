/*
 * The first process: it shows itself that a forked process has memory of its own, starts the server, the agent, the shell and, when asked to, one that dirties
 * memory (`dirty=PAGES` a second, of `dirty-of=PAGES`), and waits for what ends. When the server ends, so does the machine, with its code. With `exit=CODE` it
 * ends at once, to try what becomes of that.
 */
#include "user.h"

static i64 start(void (*program)(void)) {
  i64 pid = call(CALL_FORK);
  if (pid != 0) return pid;
  program();
  call(CALL_EXIT, 0);
  return 0;
}

/** What a child writes is not seen by its parent, and what the parent had is seen by the child. */
static void check_copies(void) {
  static volatile u64 cell = 41;
  i64 pid = call(CALL_FORK);
  if (pid == 0) {
    cell++;
    call(CALL_EXIT, cell);
  }
  u64 code = 0;
  call(CALL_WAIT, &code, 0);
  if (code == 42 && cell == 41) return;
  say("init: copy on write is broken: %u, %u\n", code, cell);
  call(CALL_EXIT, 71);
}

static void dirty(void) {
  u64 rate = argument_number("dirty", 0), of = argument_number("dirty-of", 256), page = 0, round = 0;
  u8 *memory = (u8 *)call(CALL_SBRK, of * PAGE);
  for (u64 next = time_now();; next += HZ / 100) {
    for (u64 count = (rate + 99) / 100; count > 0; count--, page = (page + 1) % of, round++) *(volatile u64 *)(memory + page * PAGE) = round;
    call(CALL_SLEEP_UNTIL, next);
  }
}

int main(void) {
  check_copies();
  u64 code = argument_number("exit", 256);
  if (code < 256) return (int)code;
  i64 server = start(serve);
  start(agent);
  start(shell);
  if (argument_number("dirty", 0) > 0) start(dirty);
  for (;;) {
    code = 0;
    if (call(CALL_WAIT, &code, 0) == server) return (int)code;
  }
}
