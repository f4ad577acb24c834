/* hex -- one hexadecimal digit as a number. */
#ifndef TROUPE_COMMON_HEX_H
#define TROUPE_COMMON_HEX_H

/* Either case; -1 for anything else. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
