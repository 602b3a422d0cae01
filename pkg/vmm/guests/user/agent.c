/*
 * Commands: those that the host sends to port 1, as words with a zero after each and one more zero at the end, and those typed at the console, a line each. To the
 * host output goes back in pieces, each of a kind (1: output, 2: errors, 0: the end), two bytes of length, most significant first, and the bytes: of the end,
 * one byte with the exit code. Each command from the host has a process of its own, which ends with its connection.
 */
#include "user.h"

#define WORDS 16

/** Where output goes: a socket, or the console when below zero. */
static i64 out = -1;

static void send_all(const u8 *bytes, u64 length) {
  while (length > 0) {
    i64 sent = call(CALL_SEND, out, bytes, length);
    if (sent == AGAIN || sent == FULL) {
      u16 ready;
      call(CALL_READY, &ready, 1, time_now() + HZ / 100);
      continue;
    }
    if (sent < 0) call(CALL_EXIT, 1);
    bytes += sent;
    length -= (u64)sent;
  }
}

static void piece(u8 kind, const char *bytes, u64 length) {
  u8 head[3] = {kind, (u8)(length >> 8), (u8)length};
  if (out < 0) {
    call(CALL_WRITE, bytes, length);
    return;
  }
  send_all(head, 3);
  send_all((const u8 *)bytes, length);
}

static void tell(const char *pattern, ...) {
  char line[240];
  __builtin_va_list values;
  __builtin_va_start(values, pattern);
  u64 length = formatv(line, sizeof line, pattern, values);
  __builtin_va_end(values);
  piece(1, line, length);
}

static void processes(void) {
  static const char *states[] = {"", "ready", "waiting", "ended"};
  static struct process_line lines[64];
  i64 count = call(CALL_PROCESSES, lines, 64);
  tell("PID PARENT STATE PAGES MS\n");
  for (i64 at = 0; at < count; at++) {
    struct process_line *line = lines + at;
    tell("%u %u %s %u %u\n", line->pid, line->parent, states[line->state], line->pages, line->ticks / (HZ / 1000));
  }
}

static void tell_stats(void) {
  struct stats stats;
  call(CALL_STATS, &stats, sizeof stats);
  tell("pages %u\nfree %u\nballooned %u\n", stats.pages, stats.pages_free, stats.pages_ballooned);
  tell("processes %u\nswitches %u\ncalls %u\nfaults %u\ncopies %u\n", stats.processes, stats.switches, stats.calls, stats.page_faults, stats.copies_on_write);
  tell("connections %u\nretransmissions %u\n", stats.connections_open, stats.retransmissions);
}

static int run(char **words, int count) {
  const char *value = count > 1 ? words[1] : "";
  const char *command = words[0];
  for (const char *at = command; *at != 0; at++)
    if (*at == '/') command = at + 1;
  if (streq(command, "echo")) {
    for (int at = 1; at < count; at++) tell("%s%s", at > 1 ? " " : "", words[at]);
    tell("\n");
  } else if (streq(command, "true")) return 0;
  else if (streq(command, "false")) return 1;
  else if (streq(command, "ps")) processes();
  else if (streq(command, "stats")) tell_stats();
  else if (streq(command, "uptime")) tell("%u\n", time_now() / HZ);
  else if (streq(command, "sleep")) call(CALL_SLEEP_UNTIL, time_now() + number(&value) * HZ);
  else if (streq(command, "kill")) return call(CALL_KILL, number(&value)) == 0 ? 0 : 1;
  else if (streq(command, "balloon")) tell("%u\n", call(CALL_BALLOON, number(&value)));
  else if (streq(command, "poweroff")) call(CALL_POWEROFF, number(&value));
  else if (streq(command, "exit")) return (int)number(&value);
  else {
    char line[160];
    u64 length = format(line, sizeof line, "%s: not found; there are echo, true, false, ps, stats, uptime, sleep, kill, balloon, poweroff, exit\n", command);
    piece(2, line, length);
    return 127;
  }
  return 0;
}

/** Waits for the words of a command and runs it. */
static void session(i64 socket) {
  static char in[2048];
  u64 length = 0;
  out = socket;
  while (length < 2 || in[length - 1] != 0 || in[length - 2] != 0) {
    i64 got = length < sizeof in ? call(CALL_RECV, socket, in + length, sizeof in - length) : 0;
    if (got == AGAIN) {
      u16 ready;
      call(CALL_READY, &ready, 1, ~0ul);
      continue;
    }
    if (got <= 0) return;
    length += (u64)got;
  }
  char *words[WORDS];
  int count = 0;
  for (char *at = in; *at != 0 && count < WORDS; at += strlen(at) + 1) words[count++] = at;
  char code = (char)(count == 0 ? 127 : run(words, count));
  piece(0, &code, 1);
}

void agent(void) {
  i64 listener = call(CALL_LISTEN, 1);
  for (;;) {
    u16 ready[8];
    u64 code;
    call(CALL_READY, ready, 8, time_now() + 60 * HZ);
    for (i64 socket; (socket = call(CALL_ACCEPT, listener)) >= 0;) {
      i64 child = call(CALL_FORK);
      if (child < 0) call(CALL_CLOSE, socket);
      if (child != 0) continue;
      call(CALL_CLAIM, socket);
      session(socket);
      call(CALL_CLOSE, socket);
      call(CALL_EXIT, 0);
    }
    while (call(CALL_WAIT, &code, 1) > 0) continue;
  }
}

void shell(void) {
  char line[256];
  u64 length = 0;
  for (;;) {
    i64 got = call(CALL_READ, line + length, sizeof line - 1 - length);
    for (u64 end = length + (got > 0 ? (u64)got : 0); length < end; length++)
      if (line[length] == '\r' || line[length] == '\n') break;
    if (length < sizeof line - 1 && line[length] != '\n' && line[length] != '\r') continue;
    line[length] = 0;
    char *words[WORDS];
    int count = 0;
    for (char *at = line; *at != 0 && count < WORDS;) {
      while (*at == ' ') *at++ = 0;
      if (*at != 0) words[count++] = at;
      while (*at != 0 && *at != ' ') at++;
    }
    if (count > 0) run(words, count);
    length = 0;
  }
}
