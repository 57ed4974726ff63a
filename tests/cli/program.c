#include "tests/cli/program.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_WORDS 40

static char binary[PATH_MAX], folder[PATH_MAX];
static char *out, *err;

/* ---- The folder ---------------------------------------------------------------------------------- */

int program_folder_make(void **state)
{
    (void)state;
    const char *given = getenv("DIGITD_BINARY"), *temporary = getenv("TMPDIR");
    const char *name = given ? given : "build/digitd";
    if (!realpath(name, binary))
        fail_msg("no program at %s; DIGITD_BINARY says where it is", name);
    snprintf(folder, sizeof folder, "%s/digitd-cli.XXXXXX", temporary ? temporary : "/tmp");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

int program_folder_remove(void **state)
{
    (void)state;
    free(out);
    free(err);
    out = err = NULL;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *program_binary(void)
{
    return binary;
}

const char *program_file_path(const char *name)
{
    static char path[PATH_MAX + 256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

bool program_file_exists(const char *name)
{
    return access(program_file_path(name), F_OK) == 0;
}

void program_file_write(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(program_file_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

char *program_file_read(const char *name)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(program_file_path(name), "rb");
    if (!file || getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    if (file)
        fclose(file);
    assert_non_null(text);
    return text;
}

/* ---- Running ------------------------------------------------------------------------------------- */

/* The caller's environment without DIGITD_ variables, and `variable`; free() it. */
static char **make_environment(const char *variable)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **environment = calloc(count + 2, sizeof *environment);
    assert_non_null(environment);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "DIGITD_", strlen("DIGITD_")) != 0)
            environment[kept++] = environ[i];
    environment[kept] = (char *)variable;
    return environment;
}

pid_t program_start(const char *words, struct program_setup setup)
{
    char *copy = strdup(words), *rest = NULL, *arguments[MOST_WORDS] = {binary};
    size_t count = 1;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_true(count + 1 < MOST_WORDS);
        arguments[count++] = word;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    posix_spawn_file_actions_addopen(&actions, 0, setup.input ? setup.input : "/dev/null", O_RDONLY, 0);
    /* Appended, since one that runs in the background may share the file with one that is started later. */
    posix_spawn_file_actions_addopen(&actions, 1, setup.output ? setup.output : ".out",
                                     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, setup.errors ? setup.errors : ".err",
                                     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    char **environment = make_environment(setup.variable);
    pid_t process;
    int failed = posix_spawn(&process, binary, &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    free(copy);
    assert_int_equal(failed, 0);
    return process;
}

int program_wait(pid_t process)
{
    int status;
    assert_int_equal(waitpid(process, &status, 0), process);
    free(out);
    free(err);
    out = program_file_read(".out");
    err = program_file_read(".err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_run_with(const char *words, struct program_setup setup)
{
    return program_wait(program_start(words, setup));
}

int program_run(const char *words)
{
    return program_run_with(words, (struct program_setup){0});
}

int program_interrupt(const char *words, const char *file)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    struct stat status;
    siginfo_t ended = {0};
    (void)unlink(program_file_path(file));
    pid_t process = program_start(words, (struct program_setup){0});
    while (stat(program_file_path(file), &status) != 0 || status.st_size == 0) {
        assert_int_equal(waitid(P_PID, (id_t)process, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        if (ended.si_pid == process)
            break;
        nanosleep(&moment, NULL);
    }
    kill(process, SIGINT);
    return program_wait(process);
}

const char *program_out(void)
{
    return out;
}

const char *program_err(void)
{
    return err;
}

json_t *program_out_json(void)
{
    json_error_t reason;
    json_t *json = json_loads(out, JSON_REJECT_DUPLICATES, &reason);
    if (!json)
        fail_msg("not JSON (%s):\n%s", reason.text, out);
    return json;
}

/* ---- Assertions ---------------------------------------------------------------------------------- */

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected \"%s\" in:\n%s", part, text);
}

void assert_out(const char *text)
{
    assert_string_equal(out, text);
}

void assert_err(const char *text)
{
    assert_string_equal(err, text);
}

void assert_out_has(const char *part)
{
    assert_has(out, part);
}

void assert_err_has(const char *part)
{
    assert_has(err, part);
}

/* ---- A data set ---------------------------------------------------------------------------------- */

void bar_image(int digit, int variant, uint8_t ret_image[28 * 28])
{
    memset(ret_image, 0, 28 * 28);
    for (int y = 4; y < 24; y++)
        for (int x = 4 + 2 * digit; x < 6 + 2 * digit; x++)
            ret_image[28 * y + x] = (uint8_t)(255 - (variant * 37 + y * 11 + x * 5) % 100);
}

static void write_idx(const char *name, uint32_t magic, uint32_t count, const uint8_t *bytes, size_t size)
{
    const uint32_t words[] = {magic, count, 28, 28};
    uint8_t header[16];
    size_t length = magic == 0x803 ? 16 : 8;
    for (size_t i = 0; i < sizeof header; i++)
        header[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
    FILE *file = fopen(program_file_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(header, 1, length, file), length);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void program_make_bars(void)
{
    static uint8_t images[BARS_TRAIN][28 * 28], labels[BARS_TRAIN];
    for (int i = 0; i < BARS_TRAIN; i++) {
        labels[i] = (uint8_t)(i * 7 % 10);
        bar_image(labels[i], i, images[i]);
    }
    assert_int_equal(mkdir(program_file_path("data"), 0700), 0);
    assert_int_equal(mkdir(program_file_path("data/bars"), 0700), 0);
    write_idx("data/bars/train-images-idx3-ubyte", 0x803, BARS_TRAIN, images[0], sizeof images);
    write_idx("data/bars/train-labels-idx1-ubyte", 0x801, BARS_TRAIN, labels, sizeof labels);
    write_idx("data/bars/t10k-images-idx3-ubyte", 0x803, BARS_TEST, images[0], BARS_TEST * sizeof images[0]);
    write_idx("data/bars/t10k-labels-idx1-ubyte", 0x801, BARS_TEST, labels, BARS_TEST);
}
