"""Pages and documents as they go out: compressed, and with a tag where caches may keep them."""

from flask import Response, request

from openwatt.web.http.compression import gzipped, is_compressible
from openwatt.web.http.content_negotiation import accepts_gzip
from openwatt.web.http.etags import GZIP_SUFFIX, etag_of, names_etag
from openwatt.web.http.responses import ReadyResponse


def encode_text(response: Response) -> Response:
    """Compresses the text of a response where its client accepts that, and answers 304 where it has it.

    An `after_request` of the app. A response that has a tag already, of the cache or of a static file,
    has been encoded too; a stream goes out as it comes.
    """
    if isinstance(response, ReadyResponse) or response.is_streamed or response.direct_passthrough:
        return response
    if "ETag" in response.headers or "Content-Encoding" in response.headers:
        return response
    is_public = response.status_code == 200 and response.cache_control.public
    etag = etag_of(response.get_data()) if is_public else ""
    if is_compressible(response.mimetype) and (compressed := gzipped(response.get_data())) is not None:
        response.vary.add("Accept-Encoding")
        if accepts_gzip(request.environ):
            response.set_data(compressed)
            response.headers["Content-Encoding"] = "gzip"
            etag += GZIP_SUFFIX
    if is_public:
        response.set_etag(etag)
        if names_etag(request.headers.get("If-None-Match", ""), etag):
            response.status_code = 304
            response.set_data(b"")
    return response
