/* The node program: CPython, the plugin and the modules that it needs, as one static executable.
 *
 * frozen.py compiles this file and links it with libpython. It also writes the two tables that are declared below. The
 * program reads no file of Python's: all modules are in it, and the search path is empty. It computes no paths either,
 * so that files beside the program (pyvenv.cfg, python311._pth) cannot change what it runs.
 *
 * If the program is started as `python3` (through a link of that name), it is an interpreter with the same modules, for
 * tests and for a look at a node: `python3 -c CODE`.
 */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <fcntl.h>
#include <limits.h>
#include <nss.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "snapshot.h"

extern const struct _frozen nadmit_modules[];

/* CNI 1.1 section 5: an error is JSON on stdout, and exit code 1. It ends without exit handlers, because the thread of
 * make_tls_ready may be at work in OpenSSL. */
static _Noreturn void fail(const char *what) {
    printf("{\"cniVersion\":\"1.0.0\",\"code\":999,\"msg\":\"nadmit: the program cannot be started: %s\"}\n", what);
    fflush(stdout);
    _exit(1);
}

/* TLS.
 *
 * OpenSSL does not read openssl.cnf, which belongs to the OpenSSL of the host and may name modules of it. The first
 * context of a process makes all algorithms known, 1.3 ms. ADD needs one as soon as its modules are loaded, so a second
 * thread makes it in the meantime. It has no signals, and ends by itself.
 */
static void *make_tls_ready(void *nothing) {
    SSL_CTX_free(SSL_CTX_new(TLS_client_method()));
    return nothing;
}

static void prepare_tls(void) {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    const char *verb = getenv("CNI_COMMAND");
    if (!verb || strcmp(verb, "ADD") != 0) return;
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_create(&thread, &attributes, make_tls_ready, NULL); /* without it, the context is made later */
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Paths: <top>/bin/<name>. sys.prefix is <top>, as in the form with modules on disk; the installer looks there. */
struct place {
    char program[PATH_MAX];
    char top[PATH_MAX];
};

static int find_place(struct place *place) {
    ssize_t length = readlink("/proc/self/exe", place->program, sizeof place->program - 1);
    if (length > 0) {
        place->program[length] = 0;
    } else { /* without /proc: the path that was executed */
        const char *executed = (const char *)getauxval(AT_EXECFN);
        if (!executed || !realpath(executed, place->program)) return -1;
    }
    strcpy(place->top, place->program);
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(place->top, '/');
        if (!slash) return -1;
        *slash = 0;
    }
    return 0;
}

/* os.setns, which Python has since 3.12. */
static PyObject *set_namespace(PyObject *module, PyObject *arguments) {
    int descriptor, kind = 0;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "i|i:setns", &descriptor, &kind)) return NULL;
    if (setns(descriptor, kind) < 0) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyMethodDef missing[] = {{"setns", set_namespace, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static int add_missing(void) {
    PyObject *posix = PyImport_ImportModule("posix");
    if (!posix) return -1;
    int result = PyModule_AddFunctions(posix, missing);
    Py_DECREF(posix);
    return result;
}

static PyStatus start_interpreter(int argc, char **argv, const struct place *place, int is_python) {
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    before.configure_locale = 0; /* utf8_mode alone decides */
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status)) return status;
    PyImport_FrozenModules = nadmit_modules;

    PyConfig config; /* the options -I -S -B */
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.pathconfig_warnings = 0;
    config.install_signal_handlers = 1; /* SIGPIPE is ignored */
    config.parse_argv = is_python;
    config.module_search_paths_set = 1;
    struct {
        wchar_t **field;
        const char *value;
    } texts[] = {
        {&config.program_name, place->program}, {&config.executable, place->program},
        {&config.base_executable, place->program}, {&config.prefix, place->top},
        {&config.base_prefix, place->top}, {&config.exec_prefix, place->top},
        {&config.base_exec_prefix, place->top}, {&config.stdlib_dir, ""},
    };
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        status = PyConfig_SetBytesString(&config, texts[index].field, texts[index].value);
        if (PyStatus_Exception(status)) goto done;
    }
    status = PyConfig_SetBytesArgv(&config, argc, argv);
    if (PyStatus_Exception(status)) goto done;
    config._init_main = is_python;
    status = Py_InitializeFromConfig(&config);
    if (PyStatus_Exception(status) || is_python) goto done;
    PyGC_Disable(); /* as `process` does; here it saves the collections of the start, 0.2 ms */
    status = _Py_InitializeMain();
done:
    PyConfig_Clear(&config);
    return status;
}

/* Called instead of functions of libpython (ld --wrap). Everything that getpath.py would compute is set above, and
 * there is no archive to import from. Both together take 0.4 ms. */
PyStatus __wrap__PyConfig_InitPathConfig(PyConfig *config, int compute) {
    (void)config, (void)compute;
    return PyStatus_Ok();
}

PyStatus __wrap__PyImportZip_Init(void *thread) {
    (void)thread;
    return PyStatus_Ok();
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* `nadmit --write-snapshot FILE`, which the installer runs. */
static _Noreturn void write_snapshot(const char *path) {
    PyObject *module = PyImport_ImportModule("cniplugin.__main__");
    PyObject *result = module ? PyObject_CallMethod(module, "load_verbs", NULL) : NULL;
    if (!result) {
        PyErr_Print();
        exit(1);
    }
    Py_DECREF(result);
    Py_DECREF(module);
    PyGC_Collect();
    const char *failure = snapshot_write(path);
    if (failure) fprintf(stderr, "nadmit: %s: the snapshot cannot be written: %s\n", path, failure);
    exit(failure ? 1 : 0);
}

/* Say whether this call can begin with a snapshot: a verb. Without one of the streams, Python starts differently. */
static int is_verb(int argc, char **argv) {
    for (int stream = 0; stream < 3; stream++)
        if (fcntl(stream, F_GETFD) < 0) return 0;
    return argc == 1 && getenv("CNI_COMMAND") && strcmp(name_of(argv[0]), "passthru") != 0;
}

/* Set os.environ; posix.environ is the same dictionary. */
static int set_environment(void) {
    PyObject *posix = PyImport_ImportModule("posix");
    PyObject *variables = posix ? PyObject_GetAttrString(posix, "environ") : NULL;
    if (!variables) return -1;
    PyDict_Clear(variables);
    for (char **entry = environ; *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (!equals) continue;
        PyObject *name = PyBytes_FromStringAndSize(*entry, equals - *entry), *value = PyBytes_FromString(equals + 1);
        if (!name || !value || !PyDict_SetDefault(variables, name, value)) return -1;
        Py_DECREF(name);
        Py_DECREF(value);
    }
    Py_DECREF(variables);
    Py_DECREF(posix);
    return 0;
}

static int set_paths(const char *first_argument, const struct place *place) {
    const struct {
        const char *name, *value;
    } texts[] = {{"executable", place->program}, {"_base_executable", place->program}, {"prefix", place->top},
                 {"base_prefix", place->top},    {"exec_prefix", place->top},          {"base_exec_prefix", place->top}};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        PyObject *text = PyUnicode_DecodeFSDefault(texts[index].value);
        if (!text || PySys_SetObject(texts[index].name, text) < 0) return -1;
        Py_DECREF(text);
    }
    PyObject *arguments = Py_BuildValue("[N]", PyUnicode_DecodeFSDefault(first_argument));
    if (!arguments || PySys_SetObject("argv", arguments) < 0) return -1;
    Py_DECREF(arguments);
    return 0;
}

/* Python's handler of SIGINT, which a start of the interpreter sets. */
static int set_interrupt(void) {
    if (PyOS_getsig(SIGINT) != SIG_DFL) return 0;
    PyObject *module = PyImport_ImportModule("_signal");
    PyObject *handler = module ? PyObject_GetAttrString(module, "default_int_handler") : NULL;
    PyObject *before = handler ? PyObject_CallMethod(module, "signal", "iO", SIGINT, handler) : NULL;
    if (!before) return -1;
    Py_DECREF(before);
    Py_DECREF(handler);
    Py_DECREF(module);
    return 0;
}

/* Begin with the snapshot <top>.snapshot; return whether there is one. */
static int resume(const char *first_argument, const struct place *place) {
    char path[PATH_MAX + sizeof ".snapshot"];
    sprintf(path, "%s.snapshot", place->top);
    int is_resumed = snapshot_resume(path);
    if (is_resumed < 0) fail("its snapshot cannot be read; remove it");
    if (is_resumed && (set_environment() < 0 || set_paths(first_argument, place) < 0 || set_interrupt() < 0)) {
        PyErr_Print();
        fail("its snapshot cannot be used; stderr says why");
    }
    return is_resumed;
}

int main(int argc, char **argv) {
    struct place place;
    char *by_name[] = {NULL, NULL};
    int is_writer = argc == 3 && strcmp(argv[1], "--write-snapshot") == 0;
    snapshot_prepare(is_writer);
    prepare_tls();
    /* A static program cannot load the modules of nsswitch.conf, which belong to the libc of the host. */
    __nss_configure_lookup("hosts", "files dns");
    if (find_place(&place) < 0) fail("its own path is not known");
    if (argc < 1) { /* Linux before 5.18 allows it */
        by_name[0] = place.program;
        argc = 1, argv = by_name;
    }
    if (!is_verb(argc, argv) || !resume(argv[0], &place)) {
        int is_python = strcmp(name_of(argv[0]), "python3") == 0;
        snapshot_populate();
        PyStatus status = start_interpreter(argc, argv, &place, is_python);
        if (PyStatus_Exception(status)) fail(status.err_msg ? status.err_msg : "no memory");
        if (add_missing() < 0) {
            PyErr_Print();
            fail("posix cannot be changed");
        }
        if (is_python) return Py_RunMain();
        if (is_writer) write_snapshot(argv[2]);
    }
    PyObject *module = PyImport_ImportModule("cniplugin.__main__");
    PyObject *result = module ? PyObject_CallMethod(module, "process", NULL) : NULL; /* ends the process */
    if (!result) PyErr_Print();
    fail("the plugin does not run; stderr says why");
}
