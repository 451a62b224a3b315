#include "loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int hf_test_listen(uint16_t *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void wait_readable(int fd) {
    struct pollfd one = { fd, POLLIN, 0 };
    assert_int_equal(poll(&one, 1, HF_TEST_PATIENCE_MS), 1);
}

int hf_test_accept(int listener) {
    wait_readable(listener);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

void hf_test_expect(int peer, const char *text) {
    char got[256];
    size_t have = 0, want = strlen(text);
    assert_true(want < sizeof got);
    while (have < want) {
        wait_readable(peer);
        ssize_t n = recv(peer, got + have, want - have, 0);
        assert_true(n > 0);
        have += (size_t)n;
    }
    assert_memory_equal(got, text, want);
}

void hf_test_send(int peer, const char *text) {
    assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void hf_test_reset(int peer) {
    struct linger at_once = { 1, 0 };
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(peer);
}

void hf_test_port(hf_linux *port, hf_config *config, const char *sslrootcert) {
    *config = (hf_config)HF_CONFIG_DEFAULT;
    config->hosts[0].name = "localhost";
    config->n_hosts = 1;
    config->sslrootcert = sslrootcert;
    config->sslmode = sslrootcert != NULL ? HF_SSL_VERIFY_FULL : HF_SSL_DISABLE;
    hf_error error;
    assert_true(hf_linux_init(port, config, &error));
}

hf_address hf_test_address(uint16_t number) {
    return (hf_address){ .kind = HF_ADDRESS_IP4, .port = number, .ip = { 127, 0, 0, 1 } };
}

hf_link *hf_test_open(hf_linux *port, uint16_t number, uint32_t tag) {
    hf_address address = hf_test_address(number);
    int err = 1;
    hf_link *link = port->port.api->open(&port->port, &address, NULL, tag, &err);
    assert_non_null(link);
    assert_int_equal(err, 0);
    return link;
}

static void forget_events(hf_linux *port) {
    uint32_t tag;
    while (port->port.api->next(&port->port, &tag) != 0) {
    }
}

int hf_test_ready(hf_linux *port, hf_link *link) {
    hf_ms end = hf_linux_now(port) + HF_TEST_PATIENCE_MS;
    while (hf_linux_now(port) < end) {
        bool more;
        int answer = link->api->ready(link, &more);
        if (answer != 0) {
            return answer;
        }
        if (!more) {
            hf_linux_wait(port, end);
            forget_events(port);
        }
    }
    return HF_ERR_TIMEOUT;
}

hf_link *hf_test_pair(hf_linux *port, int *peer, uint32_t tag) {
    uint16_t number;
    int listener = hf_test_listen(&number);
    hf_link *link = hf_test_open(port, number, tag);
    assert_int_equal(hf_test_ready(port, link), 1);
    *peer = hf_test_accept(listener);
    close(listener);
    return link;
}

int hf_test_read(hf_linux *port, hf_link *link, char *out, size_t bytes, size_t *got) {
    hf_ms end = hf_linux_now(port) + HF_TEST_PATIENCE_MS;
    *got = 0;
    while (*got < bytes && hf_linux_now(port) < end) {
        size_t asked = bytes - *got;
        int n = link->api->read(link, out + *got, asked);
        if (n < 0) {
            return n;
        }
        *got += (size_t)n;
        if ((size_t)n < asked) { /* drained, by contract */
            hf_linux_wait(port, end);
            forget_events(port);
        }
    }
    return *got < bytes ? HF_ERR_TIMEOUT : 0;
}

bool hf_test_close(hf_linux *port, hf_link *link) {
    hf_ms end = hf_linux_now(port) + HF_TEST_PATIENCE_MS;
    while (hf_linux_now(port) < end) {
        if (link->api->close(link) != 0) {
            return true;
        }
        hf_linux_wait(port, end);
        forget_events(port);
    }
    return false;
}

bool hf_test_event(hf_linux *port, uint32_t tag, unsigned ms) {
    hf_ms end = hf_linux_now(port) + ms;
    for (;;) {
        bool last = hf_linux_now(port) >= end; /* what came with the last wait is still looked at */
        uint32_t one;
        while (port->port.api->next(&port->port, &one) != 0) {
            if (one == tag) {
                return true;
            }
        }
        if (last) {
            return false;
        }
        hf_linux_wait(port, end);
    }
}

void hf_test_wait(hf_linux *port, unsigned ms) {
    hf_linux_wait(port, hf_linux_now(port) + ms);
}

int hf_test_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    int n = 0;
    while (readdir(folder) != NULL) {
        n++;
    }
    closedir(folder);
    return n;
}

/* ---- openssl s_server --------------------------------------------------------------------------- */

#define ARGUMENTS_MAX 32

static void run_server(const char *certificate, const char *key, const char *const *more, int input,
                       int output) {
    const char *words[ARGUMENTS_MAX] = { "openssl",     "s_server",  "-accept", "127.0.0.1:0",
                                         "-naccept",    "100000",    "-cert",   certificate,
                                         "-cert_chain", certificate, "-key",    key };
    size_t n = 12;
    for (; more != NULL && *more != NULL && n + 1 < ARGUMENTS_MAX; more++) {
        words[n++] = *more;
    }
    if (more == NULL) {
        words[n] = "-rev";
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no server behind */
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

void hf_test_server_start(hf_test_server *server, const char *certificate, const char *key,
                          const char *const *more) {
    char certificate_path[128], key_path[128];
    (void)snprintf(certificate_path, sizeof certificate_path, HF_TLS_FIXTURES "%s", certificate);
    (void)snprintf(key_path, sizeof key_path, HF_TLS_FIXTURES "%s", key);
    int input[2], output[2];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        run_server(certificate_path, key_path, more, input[0], output[1]);
    }
    close(input[0]);
    close(output[1]);
    server->input = input[1];
    /* The server says where it listens: "ACCEPT 127.0.0.1:43210". */
    char text[4096];
    size_t have = 0;
    char *port = NULL;
    while (port == NULL || strchr(port, '\n') == NULL) {
        wait_readable(output[0]);
        ssize_t n = read(output[0], text + have, sizeof text - 1 - have);
        text[have += n > 0 ? (size_t)n : 0] = 0;
        if (n <= 0) {
            print_error("openssl s_server: %s\n", text);
            fail();
        }
        port = strstr(text, "ACCEPT ");
    }
    server->port = (uint16_t)strtoul(strrchr(port, ':') + 1, NULL, 10);
    /* A child process reads what else the server writes, since a full pipe would stop it; the child ends with the
     * server. */
    pid_t reader = fork();
    if (reader == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        while (read(output[0], text, sizeof text) > 0) {
        }
        _exit(0);
    }
    close(output[0]);
    server->reader = reader;
}

void hf_test_server_stop(hf_test_server *server) {
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    waitpid(server->reader, NULL, 0);
    close(server->input);
}
