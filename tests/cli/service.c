#include "tests/cli/service.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define READY "digitd is ready at "

static const char tiny[] =
    "{\"layers\":[{\"type\":\"conv2d\",\"filters\":8,\"kernel_size\":3,\"activation\":\"relu\"},"
    "{\"type\":\"max_pool2d\",\"pool_size\":4},{\"type\":\"max_pool2d\",\"pool_size\":2},"
    "{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":10}]}";

static pid_t process;
static char url[96], variable[128];

const char *service_url(void)
{
    return url;
}

void wait_for_text(const char *name, const char *text)
{
    static const struct timespec moment = {.tv_nsec = 5000000};
    for (int i = 0; i < 24000; i++) {
        char *found = program_file_read(name);
        bool there = strstr(found, text) != NULL;
        free(found);
        if (there)
            return;
        nanosleep(&moment, NULL);
    }
    char *found = program_file_read(name);
    print_message("%s", found);
    free(found);
    fail_msg("\"%s\" does not come up in %s", text, name);
}

static void launch(const char *listen, const char *arguments)
{
    char words[256];
    const struct program_setup setup = {.output = "serve.out", .errors = "serve.log"};
    snprintf(words, sizeof words, "serve --no-bootstrap --store store --data-dir data --listen %s %s", listen,
             arguments);
    process = program_start(words, setup);
    wait_for_text("serve.out", "\n");
    char *line = program_file_read("serve.out");
    assert_int_equal(strncmp(line, READY, strlen(READY)), 0);
    snprintf(url, sizeof url, "%.*s", (int)strcspn(line + strlen(READY), "\n"), line + strlen(READY));
    snprintf(variable, sizeof variable, "DIGITD_SERVER=%s", url);
    free(line);
}

void service_start(const char *arguments)
{
    launch("127.0.0.1:0", arguments);
}

void service_restart(void)
{
    char listen[64];
    snprintf(listen, sizeof listen, "%.60s", url + strlen("http://"));
    launch(listen, "");
}

static int stop(int signal)
{
    int status;
    kill(process, signal);
    assert_int_equal(waitpid(process, &status, 0), process);
    process = 0;
    return status;
}

void service_end(void)
{
    assert_int_equal(stop(SIGTERM), 0);
}

void service_kill(void)
{
    assert_int_equal(WTERMSIG(stop(SIGKILL)), SIGKILL);
}

int service_make(void **state)
{
    program_folder_make(state);
    program_make_bars();
    program_file_write("tiny.json", tiny, strlen(tiny));
    service_start("");
    return 0;
}

int service_remove(void **state)
{
    if (process)
        service_end();
    return program_folder_remove(state);
}

pid_t service_run_in_background(const char *words)
{
    return program_start(words, (struct program_setup){.variable = variable});
}

int service_run(const char *words)
{
    return program_wait(service_run_in_background(words));
}

int service_run_on(const char *words, const char *id)
{
    char line[128];
    snprintf(line, sizeof line, words, id);
    return service_run(line);
}

static json_t *out_value(json_t *json, const char *field)
{
    json_t *value = json_object_get(json, field);
    if (!value)
        fail_msg("no %s in %s", field, program_out());
    return value;
}

char *out_text(const char *field)
{
    json_t *json = program_out_json();
    const char *text = json_string_value(out_value(json, field));
    assert_non_null(text);
    char *copy = strdup(text);
    json_decref(json);
    return copy;
}

double out_number(const char *field)
{
    json_t *json = program_out_json();
    double number = json_number_value(out_value(json, field));
    json_decref(json);
    return number;
}

char *service_begin(const char *command, const char *words)
{
    char line[256];
    snprintf(line, sizeof line, "%s start %s --json", command, words);
    if (service_run(line) != 0)
        fail_msg("%s", program_err());
    return out_text("id");
}
