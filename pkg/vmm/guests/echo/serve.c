/* Answers what it is sent: a request for any page with its own head, on one port, and all else byte for byte, on the same. */
#include "../user/http.h"

static int take(struct connection *connection) {
  if (connection->in_length == 0) return 0;
  int is_http = begins((const char *)connection->in, "GET ") || begins((const char *)connection->in, "HEAD ");
  if (is_http && connection->in_length < IN_BYTES) {
    struct request request;
    i64 head = read_head(connection, &request);
    if (head == 0) return 0;
    if (head > 0) {
      if (!request.keeps) connection->closes = 1;
      reply(connection, "200 OK", "text/plain", connection->in, (u64)head, request.method[0] == 'H');
      take_away(connection, (u64)head);
      return 1;
    }
  }
  u8 *copy = allocate(connection->in_length);
  if (copy != NULL) memcpy(copy, connection->in, connection->in_length);
  answer(connection, copy, connection->in_length);
  connection->in_length = 0;
  return 0;
}

void serve(void) { serve_port((u16)argument_number("port", 8080), take); }
