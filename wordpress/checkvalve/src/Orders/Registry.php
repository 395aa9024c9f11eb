<?php
namespace Checkvalve\Orders;

/**
 * Every hand by the action that orders name (docs/spec/wire.md, section 9; docs/plugin.md).
 */
final class Registry {

	const HANDS = array(
		'isolate_plugin'                => Hands\IsolatePlugin::class,
		'block_route'                   => Hands\BlockRoute::class,
		'block_ajax'                    => Hands\BlockAjax::class,
		'block_wc_ajax'                 => Hands\BlockWcAjax::class,
		'block_shortcode'               => Hands\BlockShortcode::class,
		'block_block'                   => Hands\BlockBlock::class,
		'block_path'                    => Hands\BlockPath::class,
		'patch_request'                 => Hands\PatchRequest::class,
		'withdraw_path'                 => Hands\WithdrawPath::class,
		'revoke_sessions'               => Hands\RevokeSessions::class,
		'disable_user'                  => Hands\DisableUser::class,
		'force_password_reset'          => Hands\ForcePasswordReset::class,
		'disable_application_passwords' => Hands\DisableApplicationPasswords::class,
		'disable_api_keys'              => Hands\DisableApiKeys::class,
		'disable_webhooks'              => Hands\DisableWebhooks::class,
		'pause_webhooks'                => Hands\PauseWebhooks::class,
		'freeze_exports'                => Hands\FreezeExports::class,
		'freeze_file_editing'           => Hands\FreezeFileEditing::class,
		'freeze_plugin_installation'    => Hands\FreezePluginInstallation::class,
		'read_only_admin'               => Hands\ReadOnlyAdmin::class,
		'stop_llm'                      => Hands\StopLlm::class,
		'purge_caches'                  => Hands\PurgeCaches::class,
		'write_letters'                 => Hands\WriteLetters::class,
	);

	/** Null for an action this version does not know. */
	public static function hand( string $action ): ?Hand {
		$class = self::HANDS[ $action ] ?? null;
		return null === $class ? null : new $class();
	}
}
