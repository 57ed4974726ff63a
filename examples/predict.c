/* Recognises a picture with libcurl:
 *
 *     cc -o predict examples/predict.c -lcurl
 *     ./predict picture.png [http://127.0.0.1:8080]
 *
 * DIGITD_API_KEY is sent along where the server asks for keys. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

/* The answer goes to stdout as it comes. */
static CURLcode predict(CURL *curl, const char *picture, const char *url, long *ret_status)
{
    char address[512];
    const char *key = getenv("DIGITD_API_KEY");
    curl_mime *form = curl_mime_init(curl);
    curl_mimepart *part = curl_mime_addpart(form);
    curl_mime_name(part, "image");
    curl_mime_type(part, "image/png");
    CURLcode code = curl_mime_filedata(part, picture);
    snprintf(address, sizeof address, "%s/api/v1/predict", url);
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_MIMEPOST, form);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
    if (key) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, key);
    }
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    curl_mime_free(form);
    return code;
}

int main(int argc, char **argv)
{
    long status = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: %s picture.png [http://127.0.0.1:8080]\n", argv[0]);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *curl = curl_easy_init();
    if (!curl)
        return 1;
    CURLcode code = predict(curl, argv[1], argc > 2 ? argv[2] : "http://127.0.0.1:8080", &status);
    puts("");
    if (code != CURLE_OK)
        fprintf(stderr, "%s: %s\n", argv[1], curl_easy_strerror(code));
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return code == CURLE_OK && status == 200 ? 0 : 1;
}
