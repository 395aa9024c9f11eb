<?php
namespace Checkvalve\Orders;

/**
 * Stream wrapper that gives another body for `php://input`; every other `php://` address is PHP's own.
 */
final class Input {

	/** @var string */
	private static $body = '';

	/** @var resource|null Set by PHP. */
	public $context;

	/** @var resource */
	private $stream;

	public static function put( string $body ): void {
		self::$body = $body;
		stream_wrapper_unregister( 'php' );
		stream_wrapper_register( 'php', self::class );
	}

	public function stream_open( string $path, string $mode ): bool {
		$input = 0 === strcasecmp( $path, 'php://input' );
		stream_wrapper_restore( 'php' );
		$stream = fopen( $input ? 'php://memory' : $path, $input ? 'w+b' : $mode ); // phpcs:ignore
		stream_wrapper_unregister( 'php' );
		stream_wrapper_register( 'php', self::class );
		if ( false === $stream ) {
			return false;
		}
		if ( $input ) {
			fwrite( $stream, self::$body ); // phpcs:ignore
			rewind( $stream );
		}
		$this->stream = $stream;
		return true;
	}

	/** @return string|false */
	public function stream_read( int $count ) {
		return fread( $this->stream, $count ); // phpcs:ignore
	}

	/** @return int|false */
	public function stream_write( string $data ) {
		return fwrite( $this->stream, $data ); // phpcs:ignore
	}

	public function stream_eof(): bool {
		return feof( $this->stream );
	}

	public function stream_tell(): int {
		return (int) ftell( $this->stream );
	}

	public function stream_seek( int $offset, int $whence ): bool {
		return 0 === fseek( $this->stream, $offset, $whence );
	}

	public function stream_flush(): bool {
		return fflush( $this->stream );
	}

	public function stream_truncate( int $size ): bool {
		return ftruncate( $this->stream, $size );
	}

	/** @return array|false */
	public function stream_stat() {
		return fstat( $this->stream );
	}

	public function stream_set_option( int $option, int $one, ?int $two ): bool { // phpcs:ignore
		return false;
	}

	public function stream_close(): void {
		fclose( $this->stream ); // phpcs:ignore
	}
}
