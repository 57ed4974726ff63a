/* Files that are replaced whole or not at all. */
#include "engine/atomic_file.h"
#include "tests/engine/check.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_atomic_file_XXXXXX";
static char path[sizeof folder + 16];

/* ---- Help ---------------------------------------------------------------------------------------- */

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void assert_file_holds(const char *text)
{
    char found[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(found, text);
}

/* Of everything in the folder, temporary files too. */
static size_t files_in_folder(void)
{
    char pattern[sizeof folder + 8];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    size_t count = glob(pattern, GLOB_PERIOD, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count - 2; /* . and .. */
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* ---- Tests --------------------------------------------------------------------------------------- */

static void the_old_bytes_stay_until_the_end(void **state)
{
    (void)state;
    struct atomic_file file;
    write_file("old and longer");
    assert_int_equal(atomic_file_begin(&file, path, NULL), OK);
    assert_int_equal(atomic_file_append(&file, "ne", 2, NULL), OK);
    assert_int_equal(atomic_file_append(&file, "w", 1, NULL), OK);
    assert_file_holds("old and longer");
    assert_int_equal(atomic_file_end(&file, OK, NULL), OK);
    assert_file_holds("new");
    assert_int_equal(files_in_folder(), 1);

    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
}

static void a_failure_leaves_what_was_there_and_nothing_beside_it(void **state)
{
    (void)state;
    struct atomic_file file;
    write_file("old");
    assert_int_equal(atomic_file_begin(&file, path, NULL), OK);
    assert_int_equal(atomic_file_append(&file, "new", 3, NULL), OK);
    assert_int_equal(atomic_file_end(&file, ERR_MEMORY, NULL), ERR_MEMORY);
    assert_file_holds("old");
    assert_int_equal(files_in_folder(), 1);
}

static void a_disk_that_is_full_is_an_error(void **state)
{
    (void)state;
    static const char bytes[8192];
    struct rlimit before, narrow;
    struct atomic_file file;
    struct error err;
    write_file("old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    narrow = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(atomic_file_begin(&file, path, NULL), OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &narrow), 0);
    enum status status = atomic_file_append(&file, bytes, sizeof bytes, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, ERR_FULL);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(atomic_file_end(&file, status, &err), ERR_FULL);
    assert_file_holds("old");
    assert_int_equal(files_in_folder(), 1);
}

static void what_is_no_file_is_not_replaced(void **state)
{
    (void)state;
    struct atomic_file file;
    struct error err;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(atomic_file_begin(&file, path, &err), ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "no regular file"));
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(atomic_file_begin(&file, folder, NULL), ERR_ARGUMENT);
}

static void a_path_that_cannot_be_is_an_error(void **state)
{
    (void)state;
    struct atomic_file file;
    char missing[sizeof folder + 32], endless[PATH_MAX + 1];
    snprintf(missing, sizeof missing, "%s/absent/file", folder);
    assert_int_equal(atomic_file_begin(&file, missing, NULL), ERR_NOT_FOUND);
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(atomic_file_begin(&file, endless, NULL), ERR_ARGUMENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, remove_file)
    const struct CMUnitTest tests[] = {
        TEST(the_old_bytes_stay_until_the_end),  TEST(a_failure_leaves_what_was_there_and_nothing_beside_it),
        TEST(a_disk_that_is_full_is_an_error),   TEST(what_is_no_file_is_not_replaced),
        TEST(a_path_that_cannot_be_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
