#include "server/client_private.h"

#include "server/cli.h"
#include "server/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Download ------------------------------------------------------------------------------------ */

static bool write_part(void *context, const char *bytes, size_t size)
{
    return fwrite(bytes, 1, size, context) == size;
}

static int fetch(struct client *client, const char *path, FILE *out, const char *file)
{
    client->sink = write_part;
    client->context = out;
    CURLcode code = client_perform(client, "GET", path, NULL, NULL);
    client->sink = NULL;
    if (code == CURLE_WRITE_ERROR || (code == CURLE_OK && fflush(out) != 0))
        return cli_failed(client_command(client), "%s: %s", file, strerror(errno));
    if (code != CURLE_OK)
        return client_report_unreachable(client, code);
    return client->status == 200 ? EXIT_SUCCESS : client_report_problem(client);
}

int client_download(struct client *client, const char *file, const char *format, ...)
{
    char path[CLIENT_PATH_SIZE], part[4096];
    CLIENT_PATH(path, format);
    if (strcmp(file, "-") == 0)
        return fetch(client, path, stdout, "stdout");
    if ((size_t)snprintf(part, sizeof part, "%s.part", file) >= sizeof part)
        return cli_failed(client_command(client), "%s: %s", file, strerror(ENAMETOOLONG));
    FILE *out = fopen(part, "wbe");
    if (!out)
        return cli_failed(client_command(client), "%s: %s", part, strerror(errno));
    int exit_code = fetch(client, path, out, file);
    if (fclose(out) != 0 && exit_code == EXIT_SUCCESS)
        exit_code = cli_failed(client_command(client), "%s: %s", part, strerror(errno));
    if (exit_code == EXIT_SUCCESS && rename(part, file) != 0)
        exit_code = cli_failed(client_command(client), "%s: %s", file, strerror(errno));
    if (exit_code != EXIT_SUCCESS)
        (void)unlink(part);
    return exit_code;
}

/* ---- Upload -------------------------------------------------------------------------------------- */

/* Sends what the handle is set up for, behind a bar, and takes the answer. */
static int deliver(struct client *client, json_t **ret_json)
{
    struct progress bar = progress_begin(stderr, clock_seconds());
    client->sink = NULL;
    client->bar = client->settings->no_progress || client->settings->json ? NULL : &bar;
    CURLcode code = client_exchange(client);
    client->bar = NULL;
    progress_clear(&bar);
    return code == CURLE_OK ? client_take_answer(client, ret_json) : client_report_unreachable(client, code);
}

static bool add_part(curl_mime *form, const struct client_file *file)
{
    curl_mimepart *part = curl_mime_addpart(form);
    return part && curl_mime_name(part, file->part) == CURLE_OK &&
           curl_mime_filedata(part, file->path) == CURLE_OK;
}

int client_upload(struct client *client, const struct client_file *files, size_t count, json_t **ret_json,
                  const char *format, ...)
{
    char path[CLIENT_PATH_SIZE];
    CLIENT_PATH(path, format);
    for (size_t i = 0; i < count; i++)
        if (access(files[i].path, R_OK) != 0)
            return cli_failed(client_command(client), "%s: %s", files[i].path, strerror(errno));
    client_begin(client, "POST", path, NULL);
    curl_mime *form = curl_mime_init(client->curl);
    bool complete = form;
    for (size_t i = 0; i < count && complete; i++)
        complete = add_part(form, &files[i]);
    curl_easy_setopt(client->curl, CURLOPT_MIMEPOST, form);
    int exit_code =
        complete ? deliver(client, ret_json) : cli_failed(client_command(client), "no memory for the form");
    curl_mime_free(form);
    return exit_code;
}

static int send_body(struct client *client, FILE *in, const char *file, json_t **ret_json)
{
    struct stat info;
    if (fstat(fileno(in), &info) != 0)
        return cli_failed(client_command(client), "%s: %s", file, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cli_failed(client_command(client), "%s: not a regular file", file);
    curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(client->curl, CURLOPT_READDATA, in);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)info.st_size);
    return deliver(client, ret_json);
}

int client_send_file(struct client *client, const char *media_type, const char *file, json_t **ret_json,
                     const char *format, ...)
{
    char path[CLIENT_PATH_SIZE], type[128];
    CLIENT_PATH(path, format);
    snprintf(type, sizeof type, "Content-Type: %s", media_type);
    FILE *in = fopen(file, "rbe");
    if (!in)
        return cli_failed(client_command(client), "%s: %s", file, strerror(errno));
    struct curl_slist *headers = curl_slist_append(NULL, type);
    client_begin(client, "POST", path, headers);
    int exit_code = headers ? send_body(client, in, file, ret_json)
                            : cli_failed(client_command(client), "no memory for the request");
    curl_slist_free_all(headers);
    fclose(in);
    return exit_code;
}
