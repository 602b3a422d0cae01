/* What programs have of the kernel and of each other. */
#ifndef USER_H
#define USER_H
#include "../common/lib.h"
#include "../kernel/abi.h"

i64 call(u64 number, ...);
u64 time_now(void);
void *allocate(u64 bytes);
void release(void *memory);
void say(const char *pattern, ...);
/** The value of an argument of the command line as a number, or `otherwise`. */
u64 argument_number(const char *name, u64 otherwise);

/** agent.c: runs commands that come over the network from the host, and those typed at the console. Never return. */
void agent(void);
void shell(void);

/** What the image is for; runs in the second process. Never returns. */
void serve(void);

/** connections.c: a loop over one listener and its connections. */
struct connection {
  u64 socket;
  /** What came and was not taken yet. */
  u8 *in;
  u64 in_length;
  /** What is to be sent, from `out_at` on. */
  u8 *out;
  u64 out_length, out_at;
  /** Where a body goes, how much of it has come, and how much there will be. */
  u8 *body;
  u64 body_at, body_length;
  char key[128];
  /** `is_last`: it closes once this body has come and is answered; `closes`: once all is sent. */
  int closes, has_ended, is_skipping, is_last;
};
#define IN_BYTES 4032ul
/** Takes what it can of `in`; sends with `answer`. 0: more has to come first. */
typedef int (*taker)(struct connection *connection);
void serve_port(u16 port, taker take);
/** Sends bytes that were allocated, and releases them. */
void answer(struct connection *connection, u8 *bytes, u64 length);
#endif
