// For LD_PRELOAD: a resolver that takes a minute for every name but localhost.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int (*Resolver)(const char*, const char*, const struct addrinfo*,
                        struct addrinfo**);

int getaddrinfo(const char* node, const char* service,
                const struct addrinfo* hints, struct addrinfo** found) {
  if (node == NULL || strcmp(node, "localhost") != 0) sleep(60);
  return ((Resolver)dlsym(RTLD_NEXT, "getaddrinfo"))(node, service, hints,
                                                     found);
}
