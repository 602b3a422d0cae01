/* Reads heads of requests and writes answers; see http.h. Bodies have a Content-Length; chunks are refused by whoever reads the head. Source: RFC 9112. */
#include "http.h"

static char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? (char)(letter + 32) : letter; }

static const char *header_value(const char *line, const char *name) {
  for (; *name != 0; line++, name++)
    if (lower(*line) != *name) return NULL;
  while (*line == ' ') line++;
  return line;
}

static int word(const char **at, char *to, u64 size) {
  u64 length = 0;
  for (; **at != ' ' && **at != '\r' && **at != '\n'; (*at)++) {
    if (length + 1 >= size) return 0;
    to[length++] = **at;
  }
  to[length] = 0;
  if (**at == ' ') (*at)++;
  return length > 0;
}

i64 read_head(struct connection *connection, struct request *request) {
  const char *in = (const char *)connection->in;
  u64 end = 3;
  while (end < connection->in_length && memcmp(in + end - 3, "\r\n\r\n", 4) != 0) end++;
  if (end >= connection->in_length) return connection->in_length >= IN_BYTES ? -1 : 0;
  const char *at = in;
  if (!word(&at, request->method, sizeof request->method) || !word(&at, request->path, sizeof request->path)) return -1;
  if (!begins(at, "HTTP/1.")) return -1;
  request->keeps = at[7] == '1';
  request->length = 0;
  for (; at < in + end; at++) {
    if (*at != '\n') continue;
    const char *value;
    if ((value = header_value(at + 1, "content-length:")) != NULL) request->length = number(&value);
    else if ((value = header_value(at + 1, "connection:")) != NULL) request->keeps = lower(*value) != 'c';
    else if (header_value(at + 1, "transfer-encoding:") != NULL) return -1;
  }
  return (i64)end + 1;
}

void take_away(struct connection *connection, u64 bytes) {
  connection->in_length -= bytes;
  memmove(connection->in, connection->in + bytes, connection->in_length);
}

void reply(struct connection *connection, const char *status, const char *type, const void *body, u64 length, int is_head) {
  u8 *bytes = allocate(200 + length);
  if (bytes != NULL) {
    u64 head = format((char *)bytes, 200, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %u\r\n%s\r\n", status, type, length,
                      connection->closes ? "Connection: close\r\n" : "");
    if (is_head) length = 0;
    memcpy(bytes + head, body, length);
    length += head;
  }
  answer(connection, bytes, length);
}
