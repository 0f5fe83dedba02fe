# A mail server for one test: python3 smtpd.py MAILDIR CERT KEY. It prints its port,
# keeps what is handed in, takes it by STARTTLS from the one who signs in only, and
# ends with its standard input.
import asyncio
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult


def sign_in(server, session, envelope, mechanism, data):
    good = data.login == b"halberd" and data.password == b"correct horse"
    return AuthResult(success=good, handled=False)


async def serve():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(sys.argv[2], sys.argv[3])
    box = Mailbox(sys.argv[1])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            box,
            hostname="mail.example.com",
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=sign_in,
            loop=loop,
        ),
        "127.0.0.1",
        0,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(serve())
