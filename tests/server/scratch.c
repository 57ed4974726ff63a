#include "tests/server/scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[512];

static void check(bool good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

const char *scratch_make(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/digitd-test-XXXXXX", parent ? parent : "/tmp");
    check(mkdtemp(folder) != NULL, folder);
    return folder;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

void scratch_remove(void)
{
    check(nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0, folder);
}

const char *scratch_path(const char *name)
{
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

bool scratch_exists(const char *name)
{
    return access(scratch_path(name), F_OK) == 0;
}

void scratch_write(const char *name, const void *bytes, unsigned long size)
{
    FILE *file = fopen(scratch_path(name), "wb");
    check(file && fwrite(bytes, 1, size, file) == size, name);
    check(fclose(file) == 0, name);
}
