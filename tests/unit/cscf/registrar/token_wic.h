/* SPDX-License-Identifier: Apache-2.0 */
/* The WIC that signs in with a token: who it is, what it shows, and how its binding ends. */
#ifndef TESTS_UNIT_CSCF_REGISTRAR_TOKEN_WIC_H
#define TESTS_UNIT_CSCF_REGISTRAR_TOKEN_WIC_H

#define HOME   "sip:ims.example.net"
#define ALICE  "sip:alice@ims.example.net"
#define IMPI   "alice.wic@ims.example.net"
#define BEARER "Bearer abc.def"
#define GONE   "<" CONTACT_URI ">;reg-id=1;" INSTANCE ";expires=0"

#endif
