/*
 * AMP boxes as a plain C extension writes and reads them: the floor for code that hands out Python
 * objects. serialize(dict) -> bytes with sorted keys; parse(bytes) -> [dict, ...] of whole boxes.
 * benches/amp_codec.py builds it with the system's compiler. No streams, no limits but the format's.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#define MAX_FIELDS 512

typedef struct {
    PyObject *key, *value;
} field;

static int by_key(const void *one, const void *other) {
    PyObject *a = ((const field *)one)->key, *b = ((const field *)other)->key;
    Py_ssize_t a_size = PyBytes_GET_SIZE(a), b_size = PyBytes_GET_SIZE(b);
    int order = memcmp(PyBytes_AS_STRING(a), PyBytes_AS_STRING(b), a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static char *put(char *out, PyObject *bytes) {
    Py_ssize_t size = PyBytes_GET_SIZE(bytes);
    *out++ = (char)(size >> 8);
    *out++ = (char)size;
    memcpy(out, PyBytes_AS_STRING(bytes), size);
    return out + size;
}

static PyObject *serialize(PyObject *self, PyObject *box) {
    field fields[MAX_FIELDS];
    Py_ssize_t position = 0, count = 0, size = 2;
    PyObject *key, *value;
    if (!PyDict_Check(box) || PyDict_GET_SIZE(box) > MAX_FIELDS)
        return PyErr_Format(PyExc_TypeError, "a dict of at most %d keys", MAX_FIELDS);
    while (PyDict_Next(box, &position, &key, &value)) {
        if (!PyBytes_Check(key) || !PyBytes_Check(value))
            return PyErr_Format(PyExc_TypeError, "keys and values are bytes");
        Py_ssize_t key_size = PyBytes_GET_SIZE(key), value_size = PyBytes_GET_SIZE(value);
        if (key_size < 1 || key_size > 255 || value_size > 65535)
            return PyErr_Format(PyExc_ValueError, "a length that a box cannot have");
        fields[count++] = (field){key, value};
        size += 4 + key_size + value_size;
    }
    qsort(fields, count, sizeof *fields, by_key);
    PyObject *result = PyBytes_FromStringAndSize(NULL, size);
    if (!result)
        return NULL;
    char *out = PyBytes_AS_STRING(result);
    for (Py_ssize_t index = 0; index < count; index++)
        out = put(put(out, fields[index].key), fields[index].value);
    memset(out, 0, 2);
    return result;
}

/* The next key or value; 0 when it is not all there, -1 for an error, 1 with *taken set, or NULL
 * for a length of 0 where `may_end`. */
static int take(const unsigned char **at, const unsigned char *end, int may_end, PyObject **taken) {
    if (end - *at < 2)
        return 0;
    Py_ssize_t size = (*at)[0] << 8 | (*at)[1];
    *taken = NULL;
    if (may_end && size == 0) {
        *at += 2;
        return 1;
    }
    if (end - *at - 2 < size)
        return 0;
    *taken = PyBytes_FromStringAndSize((const char *)*at + 2, size);
    *at += 2 + size;
    return *taken ? 1 : -1;
}

/* Read one box into `box`: 1 when it ended, 0 when it is cut off, -1 for an error. */
static int read_box(const unsigned char **at, const unsigned char *end, PyObject *box) {
    for (;;) {
        PyObject *key, *value;
        int result = take(at, end, 1, &key);
        if (result <= 0 || !key)
            return result;
        result = take(at, end, 0, &value);
        if (result > 0) {
            if (PyDict_SetItem(box, key, value) < 0)
                result = -1;
            Py_DECREF(value);
        }
        Py_DECREF(key);
        if (result <= 0)
            return result;
    }
}

static PyObject *parse(PyObject *self, PyObject *data) {
    if (!PyBytes_Check(data))
        return PyErr_Format(PyExc_TypeError, "bytes");
    const unsigned char *at = (const unsigned char *)PyBytes_AS_STRING(data);
    const unsigned char *end = at + PyBytes_GET_SIZE(data);
    PyObject *boxes = PyList_New(0);
    while (boxes) {
        PyObject *box = PyDict_New();
        int result = box ? read_box(&at, end, box) : -1;
        if (result > 0 && PyList_Append(boxes, box) < 0)
            result = -1;
        Py_XDECREF(box);
        if (result < 0)
            Py_CLEAR(boxes);
        else if (result == 0)
            break;
    }
    return boxes;
}

static PyMethodDef methods[] = {
    {"serialize", serialize, METH_O, "Write one box, its keys sorted."},
    {"parse", parse, METH_O, "Read whole boxes."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ampbox", NULL, 0, methods};

PyMODINIT_FUNC PyInit_ampbox(void) { return PyModule_Create(&module); }
