/* Stand-in: to Enterprise Linux's OpenSSL, PROFILE=SYSTEM is the cipher list of the system-wide
   policy. Debian's knows no such name; this gives it what is in the file that the other reads. */
void *dlsym(void *, const char *);
int open(const char *, int, ...);
long read(int, void *, unsigned long);
int close(int);
int strncmp(const char *, const char *, unsigned long);
char *strncat(char *, const char *, unsigned long);

#define NEXT ((void *)-1L)
#define PROFILE "PROFILE=SYSTEM"
#define POLICY "/etc/crypto-policies/back-ends/openssl.config"

typedef int (*setter)(void *, const char *);

static int set(const char *name, void *of, const char *list) {
    char text[4096];
    setter next = (setter)dlsym(NEXT, name);
    long count;
    int file;

    if (!next) return 0;
    if (!list || strncmp(list, PROFILE, sizeof PROFILE - 1)) return next(of, list);
    if ((file = open(POLICY, 0)) < 0) return 0;
    count = read(file, text, 2048);
    close(file);
    if (count <= 0) return 0;
    if (text[count - 1] == '\n') count--;
    text[count] = 0;
    strncat(text, list + sizeof PROFILE - 1, 1024);
    return next(of, text);
}

int SSL_CTX_set_cipher_list(void *context, const char *list) {
    return set("SSL_CTX_set_cipher_list", context, list);
}

int SSL_set_cipher_list(void *connection, const char *list) {
    return set("SSL_set_cipher_list", connection, list);
}
