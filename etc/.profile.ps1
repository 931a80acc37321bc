# PowerShell profile for vizgen_data_transfer. Works in Windows PowerShell 5 and newer.
#
# Add these lines to your own profile:
#     if (-not (Test-Path $PROFILE)) { New-Item -ItemType File -Path $PROFILE -Force }
#     notepad $PROFILE
# and open a new window. Then `start_eivdt` makes everything ready for a transfer.

function Start-VizgenTransfer {
    # The virtual environment, as the installation guide makes it. It lies on this computer and not on a network
    # drive, so that it starts quickly and works while the network does not.
    $venv = Join-Path $env:LOCALAPPDATA 'eivdt'

    # The folder that holds .vizgen_config.toml: transfers are started from here.
    $work = 'L:\'

    $programs = Join-Path $venv 'Scripts'
    if (-not (Test-Path -LiteralPath (Join-Path $programs 'vizgen_data_transfer.exe'))) {
        Write-Host "There is no Python environment with vizgen_data_transfer in $venv." -ForegroundColor Red
        Write-Host "Make it with:  python -m venv `"$venv`"  and install vizgen_data_transfer into it." -ForegroundColor Red
        return
    }
    if (-not (Test-Path -LiteralPath $work)) {
        Write-Host "The drive $work is not there, so nothing can be copied to it." -ForegroundColor Red
        Write-Host "Map the storage to this letter (File Explorer: Map network drive)." -ForegroundColor Red
        Write-Host "Then call start_eivdt again." -ForegroundColor Red
        return
    }

    # What Activate.ps1 would do, without running a script: no execution policy needs to change for it.
    if (($env:Path -split ';') -notcontains $programs) {
        $env:Path = $programs + ';' + $env:Path
    }
    Set-Location -LiteralPath $work
    Write-Host "Ready in $work with the environment $venv." -ForegroundColor Green
    Write-Host "Copy a run with:  vizgen_data_transfer RUN_ID" -ForegroundColor Green
}

Set-Alias -Name start_eivdt -Value Start-VizgenTransfer
