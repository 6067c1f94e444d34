/* Prints all IPv4 addresses that the resolver of the C library finds for a name. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  struct addrinfo hints, *all, *one;
  char text[INET_ADDRSTRLEN];
  int failure;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  failure = argc == 2 ? getaddrinfo(argv[1], "80", &hints, &all) : EAI_NONAME;
  if (failure) {
    fprintf(stderr, "%s\n", gai_strerror(failure));
    return 1;
  }
  for (one = all; one; one = one->ai_next) {
    puts(inet_ntop(AF_INET, &((struct sockaddr_in *)one->ai_addr)->sin_addr, text, sizeof text));
  }
  return 0;
}
