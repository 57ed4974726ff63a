/* The listening socket: what is an address, and what is said when it cannot be had. */
#include "server/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

static void free_port_is_told(void **state)
{
    (void)state;
    struct listen_socket socket;
    struct error err;
    assert_int_equal(listen_open("127.0.0.1:0", &socket, &err), OK);
    assert_string_equal(socket.address, "127.0.0.1");
    assert_true(socket.loopback);
    assert_memory_equal(socket.url, "http://127.0.0.1:", 17);
    assert_string_not_equal(socket.url + 17, "0");

    struct listen_socket second;
    assert_int_equal(listen_open(socket.url + 7, &second, &err), ERR_IO);
    assert_non_null(strstr(err.message, socket.url + 7));
    assert_non_null(strstr(err.message, "in use"));
    close(socket.fd);
}

static void addresses_of_version_6_are_in_brackets(void **state)
{
    (void)state;
    struct listen_socket socket;
    struct error err;
    assert_int_equal(listen_open("[::1]:0", &socket, &err), OK);
    assert_string_equal(socket.address, "::1");
    assert_true(socket.loopback);
    assert_memory_equal(socket.url, "http://[::1]:", 13);
    close(socket.fd);
}

static void every_address_is_not_loopback(void **state)
{
    (void)state;
    static const char *const addresses[] = {"0.0.0.0:0", "[::]:0"};
    for (size_t i = 0; i < 2; i++) {
        struct listen_socket socket;
        struct error err;
        assert_int_equal(listen_open(addresses[i], &socket, &err), OK);
        assert_false(socket.loopback);
        close(socket.fd);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",      "8080", ":8080x", "127.0.0.1",   "127.0.0.1:",   "127.0.0.1:x",    "localhost:80",
        "[::1]", "[::1", "::1:80", "1.2.3.4.5:1", "127.0.0.1:-1", "127.0.0.1:99999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct listen_socket socket = {.fd = -1};
        struct error err = {0};
        if (listen_open(wrong[i], &socket, &err) != ERR_ARGUMENT)
            fail_msg("\"%s\": %s", wrong[i], err.message);
        assert_int_equal(socket.fd, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_port_is_told),
        cmocka_unit_test(addresses_of_version_6_are_in_brackets),
        cmocka_unit_test(every_address_is_not_loopback),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
