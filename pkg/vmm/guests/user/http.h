/* Requests and answers of HTTP/1.1, as far as servers here need them. */
#ifndef HTTP_H
#define HTTP_H
#include "user.h"
struct request {
  char method[8], path[128];
  u64 length;
  int keeps;
};
/** Bytes of a whole head at the start of `in`; 0 when it is not whole, below zero when it is none. */
i64 read_head(struct connection *connection, struct request *request);
void take_away(struct connection *connection, u64 bytes);
void reply(struct connection *connection, const char *status, const char *type, const void *body, u64 length, int is_head);
#endif
